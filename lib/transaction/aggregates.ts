/**
 * The aggregates of a transaction. Most transactions have one. If there are several, all are locked, the transaction is in the overlay
 * of each, and if one of them makes it wait, it waits in all. Pure.
 */
import type { Step } from '../table/step.ts';
import { tables, type BufferedTable } from '../table/tables.ts';

interface Named {
  readonly aggregate: string;
  readonly aggregates?: readonly string[] | undefined;
}

/** All aggregates of a transaction, beginning with `aggregate`. */
export function aggregatesOf({ aggregate, aggregates }: Named): readonly [string, ...string[]] {
  const others = (aggregates ?? []).filter((each) => each !== aggregate);
  return [aggregate, ...new Set(others)];
}

/** A row that a step changes. */
interface ChangedRow {
  readonly table: BufferedTable;
  readonly id: string;
  /** columns that the step writes */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** The aggregate of a row: its own, its parent's, or the first one. */
export function aggregateOfRow(named: Named, { table, id, values }: ChangedRow): string {
  const all = aggregatesOf(named);
  if (all.includes(id)) return id;
  const parent = parentOf(table, values);
  return all.find((each) => each === parent) ?? named.aggregate;
}

function parentOf(table: BufferedTable, values: ChangedRow['values']): unknown {
  const { parent } = tables[table];
  return parent === undefined ? undefined : values?.[parent];
}

/** The aggregates whose root row the transaction creates. The root row has the id of the aggregate. */
export function startedBy(transaction: Named & { readonly steps: readonly Step[] }): string[] {
  const made = new Set(
    transaction.steps.filter(isCreation).flatMap((step) => rowsOf(step).map(({ id }) => id)),
  );
  return aggregatesOf(transaction).filter((each) => made.has(each));
}

/**
 * The table of an aggregate's root row, as far as the transaction shows. The default is an executed unit, which is most common.
 */
export function tableOfAggregate(
  transaction: Named & { readonly steps: readonly Step[] },
  aggregate: string,
): BufferedTable {
  const changed = transaction.steps.flatMap((step) => rowsOf(step).map((row) => ({ step, ...row })));
  const own = changed.find(({ id }) => id === aggregate);
  if (own) return own.table;
  const mine = changed.filter((row) => aggregateOfRow(transaction, row) === aggregate);
  const [first] = mine;
  // a change does not contain the parent of its row
  const isOfUnit = mine.some(
    ({ step, table, values }) => !isCreation(step) || parentOf(table, values) === aggregate,
  );
  return first === undefined || isOfUnit ? 'executed_obs_unit' : first.table;
}

const isCreation = ({ kind }: Step) => kind === 'create' || kind === 'bulk_create';

function rowsOf(step: Step): ChangedRow[] {
  if (!('table' in step)) return [];
  const { table } = step;
  if (step.kind === 'bulk_create') return step.rows.map((row) => ({ table, ...row }));
  return [{ table, id: step.id, ...('values' in step && { values: step.values }) }];
}

/**
 * Groups aggregates that are linked by transactions of several aggregates, and hence have a common order.
 * @returns a function from an aggregate to the representative of its group
 */
export function linkedAggregates(transactions: readonly Named[]): (aggregate: string) => string {
  const leaders = new Map<string, string>();
  const leaderOf = (aggregate: string): string => {
    const above = leaders.get(aggregate);
    return above === undefined ? aggregate : leaderOf(above);
  };
  for (const each of transactions) {
    const [first, ...others] = aggregatesOf(each);
    for (const other of others) {
      const [leader, led] = [leaderOf(first), leaderOf(other)];
      if (leader !== led) leaders.set(led, leader);
    }
  }
  return leaderOf;
}

/** The properties that determine the order of transactions. */
export interface Ordered {
  readonly id: string;
  /** µs since 1970 */
  readonly stamp: number;
  readonly aggregates: readonly string[];
  /** the aggregates whose root row it creates */
  readonly starts: readonly string[];
}

/**
 * The order in which transactions are applied: by stamp, but a transaction comes after the start of its aggregates, because the clocks of
 * accept instances differ. The same order as `in_order` at main.
 */
export function inOrder<T extends Ordered>(transactions: readonly T[]): T[] {
  const places = placesOf(transactions);
  const placeOf = (each: T) => places.get(each) ?? [each.stamp, 0];
  return [...transactions].sort(
    (a, b) => comparePlaces(placeOf(a), placeOf(b)) || a.stamp - b.stamp || (a.id < b.id ? -1 : 1),
  );
}

/** A stamp, and the number of starts with this stamp that come before. */
type Place = readonly [stamp: number, behind: number];

/** Two rounds are enough for a transaction that needs a start that itself needs a start. */
const rounds = 2;

function placesOf<T extends Ordered>(transactions: readonly T[]): Map<T, Place> {
  let places = new Map<T, Place>(transactions.map((each) => [each, [each.stamp, 0]]));
  for (let round = 0; round < rounds; round += 1) {
    const starts = new Map<string, Place>();
    for (const [{ starts: started }, place] of places) {
      for (const aggregate of started) {
        const earlier = starts.get(aggregate);
        if (!earlier || comparePlaces(place, earlier) < 0) starts.set(aggregate, place);
      }
    }
    const after = (aggregate: string): Place[] => {
      const start = starts.get(aggregate);
      return start ? [[start[0], start[1] + 1]] : [];
    };
    places = new Map(
      transactions.map((each) => {
        const needed = each.aggregates.filter((aggregate) => !each.starts.includes(aggregate)).flatMap(after);
        return [each, needed.reduce(later, [each.stamp, 0])];
      }),
    );
  }
  return places;
}

function comparePlaces(a: Place, b: Place): number {
  return a[0] - b[0] || a[1] - b[1];
}

function later(a: Place, b: Place): Place {
  return comparePlaces(a, b) < 0 ? b : a;
}
