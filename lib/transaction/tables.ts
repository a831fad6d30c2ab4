/**
 * The tables whose rows are recorded through the buffer, once: the stored form, the merge and the functions of main read this
 * list. A new table is a row here and a migration.
 */

interface TableRules {
  /** of the site's own: no list of observations and no channel shows it */
  readonly isQuiet?: true;
  /** its row is the one that everything else of its aggregate belongs to */
  readonly isStart?: true;
  readonly isAppendOnly?: true;
  /** column → the table where main must have the row that it names; until then a new row waits */
  readonly references?: Readonly<Record<string, ReferencedTable>>;
  /** columns that are written together, or not at all */
  readonly groups?: readonly (readonly string[])[];
  /** columns with the time of a beginning and of its end, which main fills if nobody gave them */
  readonly times?: { readonly begin: string; readonly end: string };
}

/** How people name the rows that others may wait for. */
export const referencedTables = { obs_unit: 'planned unit', executed_obs_unit: 'executed unit' } as const;
type ReferencedTable = keyof typeof referencedTables;

const ofUnit = { references: { executed_obs_unit_id: 'executed_obs_unit' } } as const;

const list = {
  executed_obs_unit: {
    isStart: true,
    references: { obs_unit_id: 'obs_unit' },
    groups: [['status', 'end_time']],
    times: { begin: 'start_time', end: 'end_time' },
  },
  raw_data_package: ofUnit,
  raw_data_file: ofUnit,
  api_token: { isQuiet: true },
  ops_user: { isQuiet: true },
  audit_event: { isQuiet: true, isAppendOnly: true },
} as const satisfies Record<string, TableRules>;

export type BufferedTable = keyof typeof list;
export const tables: Readonly<Record<BufferedTable, TableRules>> = list;
export const bufferedTables = Object.keys(list) as [BufferedTable, ...BufferedTable[]];

/** The columns of `table` that are written together with `column`, itself among them. */
export function groupOf(table: BufferedTable, column: string): readonly string[] {
  return tables[table].groups?.find((group) => group.includes(column)) ?? [column];
}
