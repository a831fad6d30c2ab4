/**
 * What a replica shows, in one statement: rows, tombstones and inbox of one snapshot. With every replica away, what the buffer
 * alone knows.
 */
import * as z from 'zod/mini';
import { readKnownRows } from '../buffer/known.ts';
import type { Overlay } from '../buffer/overlay.ts';
import { Unavailable } from '../errors.ts';
import type { Database } from '../postgres/connect.ts';
import { readInboxRow } from '../postgres/inbox.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { readFromReplica, type Replica } from '../replication/replicas.ts';
import { recordIdsOf } from '../transaction/transaction.ts';
import type { Row, Snapshot } from './merge.ts';
import type { Included } from './records.ts';

export interface SmartQueryParts {
  readonly redis: Redis;
  readonly keys: Keys;
  /** nearest first */
  readonly replicas: readonly Replica[];
}

/** A selection's own parameters begin here: the others are those of every statement. */
export const firstParameter = 4;

/** Which executed units, besides those of the overlay. */
export interface Selection {
  /** of the prepared statement */
  readonly name: string;
  /** a query of whole rows of `executed_obs_unit` */
  readonly rows: string;
  /** a condition on `inbox i`: what is parked and may belong to the answer */
  readonly parked: string;
  readonly values: readonly unknown[];
}

const rows = z.nullable(z.array(z.looseObject({ id: z.string() })));
const answer = z.object({
  executed_obs_unit: rows,
  raw_data_package: rows,
  raw_data_file: rows,
  deleted: z.nullable(z.array(z.string())),
  inbox: z.nullable(z.array(z.unknown())),
});

/**
 * With every replica away what the buffer alone knows, marked as such: what is not in it is unknown, not absent.
 * @param asked the overlay, which must have been read before the rows are; the replica's position is asked meanwhile
 * @param select given the overlay
 * @throws StatementTooSlow
 */
export async function readSnapshot<O extends Overlay>(
  { redis, keys, replicas }: SmartQueryParts,
  asked: Promise<O>,
  include: readonly Included[],
  select: (overlay: O) => Selection,
): Promise<Snapshot> {
  try {
    return await readFromReplica(replicas, asked, async (database) => {
      const overlay = await asked;
      return selectSnapshot(database, overlay, include, select(overlay));
    });
  } catch (error) {
    const overlay = await asked;
    if (!(error instanceof Unavailable)) throw error;
    // a record with nothing in the buffer is unknown, whatever the site remembers of it: others may have changed it
    const buffered = [...new Set(overlay.entries.map(({ transaction }) => transaction.aggregate))];
    const ids = new Set(overlay.entries.map(({ transaction }) => transaction.id));
    const known = await readKnownRows(redis, keys, buffered, ids);
    return { rows: { executed_obs_unit: known }, deleted: [], inbox: [], unseen: 'replica' };
  }
}

async function selectSnapshot(
  database: Database,
  { aggregates, entries }: Overlay,
  include: readonly Included[],
  { name, rows: selected, parked, values }: Selection,
): Promise<Snapshot> {
  const related = (table: string) => `
    (select jsonb_agg(to_jsonb(r)) from ${table} r
      where r.executed_obs_unit_id in (select id from found)) as ${table}`;
  const { rows: found } = await database.query({
    name: [name, ...include].join('+'),
    text: `
      with selected as materialized (${selected}), found as materialized (
        select * from selected
        union all
        select e.* from executed_obs_unit e where e.id = any ($1::uuid[]) and e.id not in (select id from selected)
      )
      select (select jsonb_agg(to_jsonb(f)) from found f) as executed_obs_unit,
        ${include.includes('packages') ? related('raw_data_package') : 'null as raw_data_package'},
        ${include.includes('files') ? related('raw_data_file') : 'null as raw_data_file'},
        case when cardinality($3::uuid[]) > 0 then (select jsonb_agg(t.id) from tombstone t
          where t.table_name in ('executed_obs_unit', 'raw_data_package', 'raw_data_file')
            and t.id = any ($3::uuid[])) end as deleted,
        (select jsonb_agg(to_jsonb(said)) from (
          select i.* from inbox i where i.transaction_id = any ($2::uuid[])
          union all
          select i.* from inbox i where i.outcome = 'parked' and i.transaction_id <> all ($2::uuid[])
            and (i.aggregate_id = any ($1::uuid[]) or i.aggregate_id in (select id from found) or ${parked})
        ) said) as inbox`,
    values: [
      aggregates,
      entries.map(({ transaction }) => transaction.id),
      entries.flatMap(({ transaction }) => recordIdsOf(transaction)),
      ...values,
    ],
  });
  const { deleted, inbox, ...tables } = answer.parse(found[0]);
  const rowsOf = (each: readonly Row[] | null) => each ?? [];
  return {
    rows: {
      executed_obs_unit: rowsOf(tables.executed_obs_unit),
      raw_data_package: rowsOf(tables.raw_data_package),
      raw_data_file: rowsOf(tables.raw_data_file),
    },
    deleted: deleted ?? [],
    inbox: (inbox ?? []).map(readInboxRow),
  };
}
