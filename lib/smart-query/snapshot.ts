/**
 * What a replica shows, in one statement: rows, tombstones and inbox of one snapshot. With every replica away, what the buffer
 * alone knows.
 */
import * as z from 'zod/mini';
import { readKnownRows } from '../buffer/known.ts';
import type { Overlay } from '../buffer/overlay.ts';
import { ReplicaUnavailable } from '../replication/errors.ts';
import type { Database } from '../postgres/connect.ts';
import { readInboxRow } from '../postgres/inbox.ts';
import { readFromReplica, type Replica } from '../replication/replicas.ts';
import { recordIdsOf } from '../transaction/transaction.ts';
import type { Row, Snapshot } from './merge.ts';
import type { Included } from '../observation/operations.ts';
import type { Site } from '../redis/site.ts';

export interface SmartQueryParts extends Site {
  /** nearest first */
  readonly replicas: readonly Replica[];
}

/** A selection's own parameters begin here: the others are those of every statement. */
export const firstParameter = 5;

/** Some of the records of a list: `id` and `start_time`, the newest first, at most `limit` of them. */
export interface Source {
  readonly name: string;
  readonly text: string;
  readonly limit: number;
}

/** Which executed units, besides those of the overlay. */
export interface Selection {
  /** of the prepared statement; without one it is planned for its values */
  readonly name?: string;
  /** the first one gives whole rows of `executed_obs_unit` */
  readonly sources: readonly Source[];
  /** a condition on `obs_unit u`: which planned units match */
  readonly plannedUnit?: string;
  readonly values: readonly unknown[];
}

/** A snapshot, and how it is to be read. */
export interface Seen {
  readonly snapshot: Snapshot;
  /** that the replica had at least; undefined: none has answered */
  readonly position?: bigint;
  /** the last of each source that was cut: further ones were not looked at */
  readonly cuts: readonly { readonly start_time: string; readonly id: string }[];
  /** of the planned units that its records name */
  readonly planned: { readonly known: ReadonlySet<number>; readonly matching: ReadonlySet<number> };
}

const rows = z.nullable(z.array(z.looseObject({ id: z.string() })));
const units = z.nullable(z.array(z.int()));
const answer = z.object({
  executed_obs_unit: rows,
  raw_data_package: rows,
  raw_data_file: rows,
  deleted: z.nullable(z.array(z.string())),
  inbox: z.nullable(z.array(z.unknown())),
  cuts: z.array(z.nullable(z.object({ count: z.int(), start_time: z.string(), id: z.string() }))),
  known_units: units,
  matching_units: units,
});

/**
 * With every replica away what the buffer alone knows, marked as such: what is not in it is unknown, not absent.
 * @param asked the overlay, which must have been read before the rows are; the replica's position is asked meanwhile
 * @param select given the overlay
 * @throws StatementTooSlow
 */
export async function readSnapshot<O extends Overlay>(
  parts: SmartQueryParts,
  asked: Promise<O>,
  include: readonly Included[],
  select: (overlay: O) => Selection,
): Promise<Seen> {
  try {
    return await readFromReplica(parts.replicas, asked, async (database, position) => {
      const overlay = await asked;
      return { ...(await selectSnapshot(database, overlay, include, select(overlay))), position };
    });
  } catch (error) {
    const overlay = await asked;
    if (!(error instanceof ReplicaUnavailable)) throw error;
    // a record with nothing in the buffer is unknown, whatever the site remembers of it: others may have changed it
    const buffered = [...new Set(overlay.entries.map(({ transaction }) => transaction.aggregate))];
    const ids = new Set(overlay.entries.map(({ transaction }) => transaction.id));
    const known = await readKnownRows(parts, buffered, ids);
    const snapshot = {
      rows: { executed_obs_unit: known },
      deleted: [],
      inbox: [],
      unseen: 'replica',
    } as const;
    return { snapshot, cuts: [], planned: { known: new Set(), matching: new Set() } };
  }
}

async function selectSnapshot(
  database: Database,
  { aggregates, entries }: Overlay,
  include: readonly Included[],
  selection: Selection,
): Promise<Seen> {
  const { name, sources, plannedUnit, values } = selection;
  const { rows: found } = await database.query({
    ...(name !== undefined && { name: [name, ...include].join('+') }),
    text: statement(selection, include),
    values: [
      aggregates,
      entries.map(({ transaction }) => transaction.id),
      entries.flatMap(({ transaction }) => recordIdsOf(transaction)),
      plannedUnit === undefined ? [] : plannedUnitsOf(entries),
      ...values,
    ],
  });
  const { deleted, inbox, cuts, known_units, matching_units, ...tables } = answer.parse(found[0]);
  const rowsOf = (each: readonly Row[] | null) => each ?? [];
  return {
    snapshot: {
      rows: {
        executed_obs_unit: rowsOf(tables.executed_obs_unit),
        raw_data_package: rowsOf(tables.raw_data_package),
        raw_data_file: rowsOf(tables.raw_data_file),
      },
      deleted: deleted ?? [],
      inbox: (inbox ?? []).map(readInboxRow),
    },
    cuts: cuts
      .filter((cut, index) => cut !== null && cut.count === sources[index]?.limit)
      .filter((cut) => cut !== null),
    planned: { known: new Set(known_units), matching: new Set(matching_units) },
  };
}

/**
 * $1: aggregates, $2: transactions and $3: records of the overlay, $4: planned units that it names. Rows are collected as `json`:
 * `jsonb_agg` takes 0.25 s for each that has 10,000 keys, a hundred times as long.
 */
function statement({ sources, plannedUnit }: Selection, include: readonly Included[]): string {
  const [whole, ...others] = sources;
  const related = (table: string) => `
    (select json_agg(r) from ${table} r
      where r.executed_obs_unit_id in (select id from found)) as ${table}`;
  const ids = (...names: readonly string[]) =>
    `any (array(select unnest($1::uuid[]) ${names.map((name) => `union select id from ${name}`).join(' ')}))`;
  const otherIds = ids(...others.map(({ name }) => name));
  const cut = ({ name }: Source) => `(select to_jsonb(l) from (
    select start_time, id, count(*) over ()::integer as count from ${name} order by start_time, id limit 1) l)`;
  const unitsWhere = (
    condition: string,
  ) => `(select jsonb_agg(u.id) from obs_unit u where ${condition} and u.id in (
    select unnest($4::integer[]) union select obs_unit_id from found union select obs_unit_id from said))`;
  return `
    with ${sources.map(({ name, text }) => `${name} as materialized (${text}),`).join('\n')}
    found as materialized (
      ${whole ? `select * from ${whole.name} union all` : ''}
      select e.* from executed_obs_unit e where e.id = ${otherIds}
      ${whole ? `and e.id not in (select id from ${whole.name})` : ''}
    ), said as materialized (
      select i.* from inbox i where i.transaction_id = any ($2::uuid[])
      union all
      select i.* from inbox i
      where i.outcome = 'parked' and i.transaction_id <> all ($2::uuid[]) and i.aggregate_id = ${ids('found', ...others.map(({ name }) => name))}
    )
    select (select json_agg(f) from found f) as executed_obs_unit,
      ${include.includes('packages') ? related('raw_data_package') : 'null as raw_data_package'},
      ${include.includes('files') ? related('raw_data_file') : 'null as raw_data_file'},
      case when cardinality($3::uuid[]) > 0 then (select jsonb_agg(t.id) from tombstone t
        where t.table_name in ('executed_obs_unit', 'raw_data_package', 'raw_data_file')
          and t.id = any ($3::uuid[])) end as deleted,
      (select json_agg(s) from said s) as inbox,
      jsonb_build_array(${sources.map(cut).join(', ')}) as cuts,
      ${plannedUnit === undefined ? 'null' : unitsWhere('true')} as known_units,
      ${plannedUnit === undefined ? 'null' : unitsWhere(plannedUnit)} as matching_units
      ${plannedUnit === undefined ? 'where $4::integer[] is not null' : ''}`;
}

function plannedUnitsOf(entries: Overlay['entries']): number[] {
  const steps = entries.flatMap(({ transaction }) => transaction.steps);
  return steps.flatMap((step) => {
    const unit = 'values' in step ? step.values.obs_unit_id : undefined;
    return typeof unit === 'number' ? [unit] : [];
  });
}
