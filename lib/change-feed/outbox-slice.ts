/** Reads a slice of the outbox after the relay's position, from a replica. */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import type { RelayState } from './relay-state.ts';

/** Small, since the site's own changes wait for a slice to be relayed. */
const sliceRows = 200;
/** Limit of transactions relayed ahead of the cursor. Beyond it, changes wait for the oldest open transaction. */
const aheadAtMost = 5000;

const outboxRow = z.object({
  xid: z.string(),
  id: z.string(),
  table_name: z.string(),
  row_id: z.string(),
  left_obs_unit_id: z.nullable(z.int()),
  is_reset: z.boolean(),
  /** no running transaction can still write a row before it */
  is_settled: z.boolean(),
  /** already relayed ahead of the cursor */
  is_known: z.boolean(),
});
export type OutboxRow = z.infer<typeof outboxRow>;

/** Whether the outbox may hold more rows. */
export function isFull(rows: readonly OutboxRow[]): boolean {
  const settled = rows.filter((row) => row.is_settled).length;
  return settled === sliceRows || rows.length - settled === sliceRows;
}

const positionRow = z.array(z.object({ lsn: z.nullable(z.string()) }));

/** @returns undefined if it is not a standby */
export async function readReplayed(replica: Database): Promise<string | undefined> {
  const { rows } = await replica.query({
    name: 'relay-replayed',
    text: 'select pg_last_wal_replay_lsn()::text as lsn',
  });
  return positionRow.parse(rows)[0]?.lsn ?? undefined;
}

const slice = z.tuple([z.object({ rows: z.nullable(z.array(outboxRow)), pruned: z.nullable(z.string()) })]);
const columns = 'o.xid::text, o.id::text, o.table_name, o.row_id, o.left_obs_unit_id, o.is_reset';

/** The first relay begins at the end of the outbox, since snapshots contain earlier changes. */
export async function readSlice(replica: Database, { cursor, ahead }: RelayState) {
  const settled = 'o.xid < pg_snapshot_xmin(pg_current_snapshot())';
  const { rows } =
    cursor === undefined
      ? await replica.query({
          name: 'relay-end',
          text: `
            select (select jsonb_agg(to_jsonb(e)) from (
              select ${columns}, true as is_settled, true as is_known from change_outbox o
              where ${settled} order by o.xid desc, o.id desc limit 1) e) as rows, null as pruned`,
        })
      : await replica.query({
          name: 'relay-slice',
          text: `
            with ahead as materialized (
              select * from unnest($3::text[]::xid8[], $4::text[]::bigint[]) as known (xid, last)
            )
            select (select jsonb_agg(to_jsonb(e)) from (
              (select ${columns}, true as is_settled, coalesce(o.id <= a.last, false) as is_known
                from change_outbox o left join ahead a on a.xid = o.xid
                where (o.xid, o.id) > ($1::text::xid8, $2::bigint) and ${settled}
                order by o.xid, o.id limit ${sliceRows})
              union all
              (select ${columns}, false, false from change_outbox o left join ahead a on a.xid = o.xid
                where o.xid >= pg_snapshot_xmin(pg_current_snapshot()) and o.xid >= $1::text::xid8
                  and (a.last is null and $5::boolean or o.id > a.last)
                order by o.xid, o.id limit ${sliceRows})) e) as rows,
              (select xid::text || ':' || id from change_outbox_pruned) as pruned`,
          values: [...cursor.split(':'), [...ahead.keys()], [...ahead.values()], ahead.size < aheadAtMost],
        });
  const [found] = slice.parse(rows);
  return { rows: found.rows ?? [], pruned: found.pruned ?? undefined };
}
