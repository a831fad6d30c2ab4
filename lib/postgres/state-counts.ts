/**
 * Numbers of rows by state without counting rows: a base plus the changes of each statement since (migration 0010).
 *
 * The base is the number of rows minus the visible changes, both read in one snapshot. So the base is the same in every snapshot,
 * regardless of open transactions, and no lock is needed. Folding also preserves the sum in every snapshot.
 */
import * as z from 'zod/mini';
import type { Database } from './connect.ts';

/** The column that holds the state of each counted table. */
const stateColumns = { raw_data_package: 'state', data_transfer: 'status' } as const;

export type CountedTable = keyof typeof stateColumns;

const countedTables = Object.keys(stateColumns) as CountedTable[];

/** State → number of rows; states without rows may be absent. */
export type StateCounts = Readonly<Record<string, number>>;

const answer = z.array(z.object({ table_name: z.string(), counts: z.record(z.string(), z.number()) }));

/**
 * @returns undefined if a table has no base yet, or the database has not replayed the migration
 */
export async function readStateCounts(
  database: Database,
): Promise<Readonly<Record<CountedTable, StateCounts>> | undefined> {
  try {
    const { rows } = await database.query({
      name: 'state-counts',
      text: `
        select table_name, jsonb_object_agg(state, n) as counts
        from (
          select c.table_name, c.state, sum(c.n) as n
          from state_count c join (
            select table_name, max(id) as since from state_count where is_base group by table_name
          ) base on base.table_name = c.table_name and c.id >= base.since
          group by c.table_name, c.state
        ) summed group by table_name`,
    });
    const found = new Map(answer.parse(rows).map(({ table_name, counts }) => [table_name, counts]));
    const [raw_data_package, data_transfer] = [found.get('raw_data_package'), found.get('data_transfer')];
    return raw_data_package && data_transfer && { raw_data_package, data_transfer };
  } catch (error) {
    if (isUndefinedTable(error)) return undefined;
    throw error;
  }
}

/**
 * Creates the missing base of each table and folds its changes. Safe to call concurrently.
 * @param timeoutMilliseconds for counting one table
 * @throws if a table cannot be counted in time or is locked; until the next attempt every read counts its rows
 */
export async function maintainStateCounts(main: Database, timeoutMilliseconds: number): Promise<void> {
  await foldStateCounts(main, enoughToFold);
  const { rows } = await main.query<{ table_name: string }>(
    'select distinct table_name from state_count where is_base',
  );
  const based = new Set(rows.map(({ table_name }) => table_name));
  for (const table of countedTables.filter((each) => !based.has(each))) {
    await main.query(baseStatements(table, timeoutMilliseconds));
  }
}

/** Number of changes that a read can still sum quickly. */
const enoughToFold = 200;

/**
 * Sent together, the statements are one transaction. A statement locks its tables before it takes its snapshot, so that no TRUNCATE
 * comes between the rows and the changes that it reads. The base of an earlier TRUNCATE has a higher id, and remains the latest.
 */
function baseStatements(table: CountedTable, timeoutMilliseconds: number): string {
  const column = stateColumns[table];
  return `
    set local lock_timeout = 500;
    set local statement_timeout = ${Math.ceil(timeoutMilliseconds)};
    insert into state_count (table_name, state, id, n, is_base)
    select '${table}', state, 0, sum(n), true
    from (
      select '' as state, 0 as n
      union all select ${column}, count(*) from ${table} group by ${column}
      union all select state, -sum(n) from state_count where table_name = '${table}' group by state
    ) counted
    group by state
    on conflict do nothing`;
}

/**
 * Whether a processor should call {@link maintainStateCounts}.
 * @returns false at a database that has not replayed the migration
 */
export async function needMaintenance(database: Database): Promise<boolean> {
  try {
    const { rows } = await database.query<{ wanted: boolean }>({
      name: 'state-counts-need-maintenance',
      text: `
        select count(distinct table_name) filter (where is_base) < $1
          or count(*) filter (where not is_base) >= $2 as wanted
        from state_count`,
      values: [countedTables.length, enoughToFold],
    });
    return rows[0]?.wanted === true;
  } catch (error) {
    if (isUndefinedTable(error)) return false;
    throw error;
  }
}

function isUndefinedTable(error: unknown): boolean {
  return (error as { code?: unknown }).code === '42P01';
}

/**
 * Replaces the changes of each table and state by their sum, and deletes those before the latest base.
 *
 * The sum gets the id of its latest change, so that it stays on the same side of every base. Concurrent callers never fold the same
 * row, since the second finds it deleted.
 * @param least minimum number of changes to fold
 */
export async function foldStateCounts(main: Database, least: number): Promise<void> {
  await main.query({
    name: 'fold-state-counts',
    text: `
      with latest as (
        select table_name, max(id) as since from state_count where is_base group by table_name
      ), folded as (
        delete from state_count c
        where (not is_base or id < (select since from latest l where l.table_name = c.table_name))
          and (select count(*) from state_count where not is_base) >= $1
        returning table_name, state, id, n
      )
      insert into state_count (table_name, state, id, n)
      select f.table_name, state, max(id), sum(n)
      from folded f left join latest l on l.table_name = f.table_name
      where id > since or since is null
      group by f.table_name, state having sum(n) <> 0`,
    values: [least],
  });
}
