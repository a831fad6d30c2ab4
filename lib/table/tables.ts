/**
 * The tables whose rows are recorded through the buffer, once: the stored form, the judge in Redis, the overlay and the functions
 * of main read this list. A new table is a row here, a migration (`make_buffered_v1`) and the contracts of its noun.
 */

import { executedStatus, packageState, status, type Transitions } from './state-machines.ts';

interface TableRules {
  /** its row is the one that everything else of its aggregate belongs to, and gives the aggregate its id */
  readonly aggregate?: 'self';
  /** the column that names the row which it belongs to, and with it the aggregate */
  readonly parent?: string;
  /** the channel that shows its changes; without one it is of the site's own: no list of observations shows it either */
  readonly feed?: 'observations' | 'transfer';
  readonly isAppendOnly?: true;
  /** column → the table where main must have the row that it names; until then a new row waits */
  readonly references?: Readonly<Record<string, ReferencedTable>>;
  /** columns that are written together, or not at all */
  readonly groups?: readonly (readonly string[])[];
  /** columns with the time of a beginning and of its end, which main fills if nobody gave them; the end is not before */
  readonly times?: { readonly begin: string; readonly end: string };
  /** column → state → states that may follow; a step that sets the column to another state is refused. Total: each state is there */
  readonly transitions?: Readonly<Record<string, Transitions>>;
}

/** How people name the rows that others may wait for. */
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
    parent: 'executed_obs_unit_id',
    references: { ...ofUnit, instrument_module_id: 'instrument_module' },
    feed: 'transfer',
    transitions: { state: packageState, status },
  },
  raw_data_file: {
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

/** Something of each table. */
export function byTable<T>(make: (table: BufferedTable) => T): Record<BufferedTable, T> {
  return Object.fromEntries(bufferedTables.map((table) => [table, make(table)])) as Record<BufferedTable, T>;
}

/** The columns of `table` that are written together with `column`, itself among them. */
export function groupOf(table: BufferedTable, column: string): readonly string[] {
  return tables[table].groups?.find((group) => group.includes(column)) ?? [column];
}

/** Whether the column may go from one state to another; it may stay as it is. A state that the table does not know leads nowhere. */
export function isTransition(table: BufferedTable, column: string, from: unknown, to: unknown): boolean {
  const following = tables[table].transitions?.[column];
  return following === undefined || from === to || (following[String(from)] ?? []).includes(String(to));
}
