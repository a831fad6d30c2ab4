/**
 * The tables whose rows are recorded through the buffer. The stored form, the judge in Redis, the overlay and the functions of main read
 * this list. A new table is a row here, a migration (`make_buffered_v1`) and the contracts of its noun.
 */

import { executedStatus, packageState, status, type Transitions } from './state-machines.ts';

interface TableRules {
  /** its row is the root of an aggregate, whose id is that of the row */
  readonly aggregate?: 'self';
  /** column that references the root row of the aggregate */
  readonly parent?: string;
  /** stream of its changes; without one, its changes are internal and appear in no list of observations */
  readonly feed?: 'observations' | 'transfer';
  readonly isAppendOnly?: true;
  /** name by which its rows are included in the executed unit that they belong to */
  readonly include?: string;
  /** column → referenced table; a new row waits until main has the referenced row */
  readonly references?: Readonly<Record<string, ReferencedTable>>;
  /** groups of columns that win or lose together */
  readonly groups?: readonly (readonly string[])[];
  /** columns of the begin and end time, which main fills if omitted; the end must not be before the begin */
  readonly times?: { readonly begin: string; readonly end: string };
  /** column → allowed transitions; other transitions are refused */
  readonly transitions?: Readonly<Record<string, Transitions>>;
}

/** Names of the referenced tables in messages. */
export const referencedTables = {
  obs_unit: 'planned unit',
  executed_obs_unit: 'executed unit',
  raw_data_package: 'package',
  instrument_module: 'instrument module',
  data_location: 'location',
} as const;
type ReferencedTable = keyof typeof referencedTables;

const ofUnit = { executed_obs_unit_id: 'executed_obs_unit' } as const;

const list = {
  executed_obs_unit: {
    aggregate: 'self',
    feed: 'observations',
    references: { obs_unit_id: 'obs_unit' },
    groups: [['status', 'end_time']],
    times: { begin: 'start_time', end: 'end_time' },
    transitions: { status: executedStatus },
  },
  raw_data_package: {
    include: 'packages',
    parent: 'executed_obs_unit_id',
    references: { ...ofUnit, instrument_module_id: 'instrument_module' },
    feed: 'transfer',
    transitions: { state: packageState, status },
  },
  raw_data_file: {
    include: 'files',
    parent: 'executed_obs_unit_id',
    feed: 'observations',
    references: {
      ...ofUnit,
      raw_data_package_id: 'raw_data_package',
      instrument_module_id: 'instrument_module',
      source_location_id: 'data_location',
    },
  },
  observation_note: { parent: 'executed_obs_unit_id', feed: 'observations', references: ofUnit },
  api_token: {},
  ops_user: {},
  audit_event: { isAppendOnly: true },
} as const satisfies Record<string, TableRules>;

export type BufferedTable = keyof typeof list;
export const tables: Readonly<Record<BufferedTable, TableRules>> = list;
export const bufferedTables = Object.keys(list) as [BufferedTable, ...BufferedTable[]];

type List = typeof list;
type Inclusions = {
  readonly [
    Table in BufferedTable as List[Table] extends { readonly include: infer Name extends string }
      ? Name
      : never
  ]: Table;
};
/** Records that can be included with an executed unit. */
export type Included = keyof Inclusions;

/** The table of what is included, by the name that clients use. */
export const inclusions = Object.fromEntries(
  bufferedTables.flatMap((table) => {
    const { include } = tables[table];
    return include === undefined ? [] : [[include, table]];
  }),
) as Inclusions;
export const included = Object.keys(inclusions) as [Included, ...Included[]];

/** Whether the feed names each of its rows; a row of other tables shows with its executed unit, or in the state of transfers. */
export function isNamedInFeed(table: string): boolean {
  const { aggregate, feed } = tables[table as BufferedTable] ?? {};
  return aggregate === 'self' && feed === 'observations';
}

/** A record with one value per table. */
export function byTable<T>(make: (table: BufferedTable) => T): Record<BufferedTable, T> {
  return Object.fromEntries(bufferedTables.map((table) => [table, make(table)])) as Record<BufferedTable, T>;
}

/** The group of columns that win or lose together, including `column`. */
export function groupOf(table: BufferedTable, column: string): readonly string[] {
  return tables[table].groups?.find((group) => group.includes(column)) ?? [column];
}

/** Whether the column may change from one state to another. Keeping the state is allowed. An unknown state has no transitions. */
export function isTransition(table: BufferedTable, column: string, from: unknown, to: unknown): boolean {
  const following = tables[table].transitions?.[column];
  return following === undefined || from === to || (following[String(from)] ?? []).includes(String(to));
}
