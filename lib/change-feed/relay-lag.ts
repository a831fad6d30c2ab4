import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import type { Site } from '../redis/site.ts';
import { parseInstant } from '../values/instant.ts';
import { readRelayState } from './relay-state.ts';

export interface RelayLag {
  /** instant of the oldest change that has not been relayed */
  readonly waiting_since: string | null;
  /** instant since which, at least, an open transaction at main has held the cursor */
  readonly held_since: string | null;
}

const lagRow = z.tuple([z.object({ waiting: z.nullable(z.string()), held: z.nullable(z.string()) })]);

/** The lag of the relay, by a replica. Instants rather than durations, so that it does not change with time alone. */
export async function readRelayLag(site: Site, replica: Database): Promise<RelayLag> {
  const { cursor, ahead } = await readRelayState(site);
  if (cursor === undefined) return { waiting_since: null, held_since: null };
  const { rows } = await replica.query({
    name: 'relay-lag',
    text: `
      with ahead as materialized (
        select * from unnest($3::text[]::xid8[], $4::text[]::bigint[]) as known (xid, last)
      )
      select (select to_jsonb(o.changed_at) #>> '{}' from change_outbox o left join ahead a on a.xid = o.xid
          where (o.xid, o.id) > ($1::text::xid8, $2::bigint) and (a.last is null or o.id > a.last)
          order by o.xid, o.id limit 1) as waiting,
        (select to_jsonb(min(o.changed_at)) #>> '{}' from change_outbox o join ahead a on a.xid = o.xid
          where (o.xid, o.id) > ($1::text::xid8, $2::bigint)) as held`,
    values: [...cursor.split(':'), [...ahead.keys()], [...ahead.values()]],
  });
  const [{ waiting, held }] = lagRow.parse(rows);
  return { waiting_since: instant(waiting), held_since: instant(held) };
}

function instant(text: string | null): string | null {
  return text === null ? null : (parseInstant(text)?.instant ?? null);
}
