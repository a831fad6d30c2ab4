/**
 * Reads rows, tombstones and inbox of a replica in one statement, hence of one snapshot. If no replica answers, the buffer is the
 * only source.
 */
import * as z from 'zod/mini';
import { readKnownRows } from '../buffer/known.ts';
import type { Overlay } from '../buffer/overlay.ts';
import { ReplicaUnavailable } from '../replication/errors.ts';
import type { Database } from '../postgres/connect.ts';
import { readInboxRow } from '../postgres/inbox.ts';
import { readFromReplica, type Replica } from '../replication/replicas.ts';
import { inclusions, tables, type BufferedTable } from '../table/tables.ts';
import { recordIdsOf } from '../transaction/transaction.ts';
import type { Row, Snapshot } from './merge.ts';
import type { Included } from '../observation/operations.ts';
import type { Site } from '../redis/site.ts';

export interface SmartQueryParts extends Site {
  /** nearest first */
  readonly replicas: readonly Replica[];
}

/** Number of a selection's first own parameter: those before it are common to all statements. */
export const firstParameter = 5;

/** A query for `id` and `start_time` of some records of a list, newest first, at most `limit` of them. */
export interface Source {
  readonly name: string;
  readonly text: string;
  /** the parameter that bounds it */
  readonly limit: string;
}

/** Selects executed units besides those of the overlay. */
export interface Selection {
  /** of the prepared statement; without a name, Postgres plans it for its values */
  readonly name?: string;
  /** the first returns whole rows of `executed_obs_unit` that match */
  readonly sources: readonly Source[];
  /** a condition on `obs_unit u`, which the rows of the first source meet */
  readonly plannedUnit?: string;
  readonly values: readonly unknown[];
}

/** A snapshot, and how much of the list it covers. */
export interface ReplicaRead {
  readonly snapshot: Snapshot;
  /** LSN that the replica had replayed at least; undefined if no replica answered */
  readonly position?: bigint;
  /** the last record of each source that was cut at its limit */
  readonly cuts: readonly { readonly start_time: string; readonly id: string }[];
  /** the planned units of its records: those that the replica has, and those that match the selection */
  readonly planned: { readonly known: ReadonlySet<number>; readonly matching: ReadonlySet<number> };
}

const rows = z.nullable(z.array(z.looseObject({ id: z.string() })));
const answer = z.object({
  matching: rows,
  executed_obs_unit: rows,
  deleted: z.nullable(z.array(z.string())),
  inbox: z.nullable(z.array(z.unknown())),
  cuts: z.array(z.nullable(z.object({ start_time: z.string(), id: z.string() }))),
  planned: z.nullable(z.array(z.object({ id: z.int(), matches: z.boolean() }))),
});
const relatedTables = Object.values(inclusions);
const relatedRows = z.object(Object.fromEntries(relatedTables.map((table) => [table, rows])));

/** A row of what is included may name its unit by another row, as a file by its package. */
function isRelated(table: BufferedTable, include: readonly Included[]): boolean {
  return include.some((name) => {
    const asked = inclusions[name];
    return asked === table || Object.values<string>(tables[asked].references ?? {}).includes(table);
  });
}

/**
 * If no replica answers, the snapshot comes from the buffer and is marked `unseen`: a record missing from it is unknown, not
 * absent.
 * @param pendingOverlay must resolve before the rows are read; the replica's position is read meanwhile
 * @throws StatementTooSlow
 */
export async function readSnapshot<O extends Overlay>(
  parts: SmartQueryParts,
  pendingOverlay: Promise<O>,
  include: readonly Included[],
  select: (overlay: O) => Selection,
): Promise<ReplicaRead> {
  try {
    return await readFromReplica(parts.replicas, pendingOverlay, async (database, position) => {
      const overlay = await pendingOverlay;
      return { ...(await selectSnapshot(database, overlay, include, select(overlay))), position };
    });
  } catch (error) {
    const overlay = await pendingOverlay;
    if (!(error instanceof ReplicaUnavailable)) throw error;
    // a record without buffered transactions is unknown even if the site remembers its row: plain SQL may have changed it
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
): Promise<ReplicaRead> {
  const { name, plannedUnit, values } = selection;
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
  const { matching, executed_obs_unit, deleted, inbox, cuts, planned } = answer.parse(found[0]);
  const related = Object.entries(relatedRows.parse(found[0]));
  const judged = [
    ...(planned ?? []),
    ...(matching ?? []).map(({ obs_unit_id }) => ({ id: Number(obs_unit_id), matches: true })),
  ];
  return {
    snapshot: {
      rows: {
        executed_obs_unit: [...(matching ?? []), ...(executed_obs_unit ?? [])],
        ...Object.fromEntries(related.map(([table, each]): [string, Row[]] => [table, each ?? []])),
      },
      deleted: deleted ?? [],
      inbox: (inbox ?? []).map(readInboxRow),
    },
    cuts: cuts.filter((cut) => cut !== null),
    planned: {
      known: new Set(judged.map(({ id }) => id)),
      matching: new Set(judged.filter(({ matches }) => matches).map(({ id }) => id)),
    },
  };
}

/**
 * $1: aggregates, $2: transactions, $3: records and $4: planned units of the overlay. Rows are collected as `json`: `jsonb_agg`
 * takes 0.25 s for a row with 10,000 keys, a hundred times as long.
 */
function statement({ sources, plannedUnit }: Selection, include: readonly Included[]): string {
  const [whole, ...others] = sources;
  const ids = (...names: readonly string[]) =>
    ['select unnest($1::uuid[])', ...names.map((name) => `select id from ${name}`)].join(' union all ');
  const otherIds = ids(...others.map(({ name }) => name));
  const allIds = ids(...sources.map(({ name }) => name));
  const related = relatedTables.map((table) =>
    isRelated(table, include)
      ? `(select json_agg(r) from ${table} r where r.${tables[table].parent} = any (array(${allIds}))) as ${table},`
      : `null as ${table},`,
  );
  // the last row of a source that its limit has cut
  const cut = ({ name, limit }: Source) => `(select to_jsonb(l) from (
    select start_time, id from ${name} order by start_time desc, id desc offset ${limit} - 1 limit 1) l)`;
  return `
    with ${sources.map(({ name, text }) => `${name} as materialized (${text}),`).join('\n')}
    named as materialized (
      select e.* from executed_obs_unit e where e.id = any (array(${otherIds}))
      ${whole ? `and e.id not in (select id from ${whole.name})` : ''}
    ), inbox_rows as materialized (
      select i.* from inbox i where i.transaction_id = any ($2::uuid[])
      union all
      select i.* from inbox i
      where i.outcome = 'parked' and i.transaction_id <> all ($2::uuid[]) and i.aggregate_id = any (array(${allIds}))
      union all
      select i.* from inbox i
      where i.outcome = 'parked' and i.transaction_id <> all ($2::uuid[]) and i.aggregates && array(${allIds})
        and i.aggregate_id <> all (array(${allIds}))
    )
    select ${whole ? `(select json_agg(m) from ${whole.name} m)` : 'null'} as matching,
      (select json_agg(n) from named n) as executed_obs_unit,
      ${related.join('\n      ')}
      case when cardinality($3::uuid[]) > 0 then (select jsonb_agg(t.id) from tombstone t
        where t.table_name in (${['executed_obs_unit', ...relatedTables].map((table) => `'${table}'`).join()})
          and t.id = any ($3::uuid[])) end as deleted,
      (select json_agg(r) from inbox_rows r) as inbox,
      jsonb_build_array(${sources.map(cut).join(', ')}) as cuts,
      ${plannedUnit === undefined ? 'null' : otherUnits(plannedUnit)} as planned
      ${plannedUnit === undefined ? 'where $4::integer[] is not null' : ''}`;
}

/** Planned units of the overlay, of rows found by id and of parked transactions. */
function otherUnits(condition: string): string {
  return `(select jsonb_agg(jsonb_build_object('id', u.id, 'matches', coalesce(${condition}, false)))
    from obs_unit u where u.id = any (array(
      select unnest($4::integer[]) union all select obs_unit_id from named union all select obs_unit_id from inbox_rows)))`;
}

function plannedUnitsOf(entries: Overlay['entries']): number[] {
  const steps = entries.flatMap(({ transaction }) => transaction.steps);
  return steps.flatMap((step) => {
    const unit = 'values' in step ? step.values.obs_unit_id : undefined;
    return typeof unit === 'number' ? [unit] : [];
  });
}
