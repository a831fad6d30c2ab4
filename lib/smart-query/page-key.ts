/** The position of a record in a list: by start, then by id, newest first. Pure. */
import { databaseInstant, sortKeyOf } from '../values/database-instant.ts';
import { instantOfMilliseconds, millisecondsOf, parseInstant } from '../values/instant.ts';

/** The key of the last record on a page; the next page starts after it. */
export interface PageKey {
  /** as `databaseInstant` spells it */
  readonly start: string;
  readonly id: string;
}

/** Sorts below every other id: a page that ends with it has shown every record that started in that microsecond. */
const leastId = '00000000-0000-0000-0000-000000000000';

/** The order of Postgres: start to the microsecond, then id. Positive if `a` is newer. */
export function compareKeys(a: PageKey, b: PageKey): number {
  const [left, right] = [sortKeyOf(a.start), sortKeyOf(b.start)];
  if (left !== right) return left < right ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** A page that ends with this key has shown every record that started in this millisecond or later. */
export function keyOfMillisecond(milliseconds: number): PageKey {
  return { start: instantOfMilliseconds(milliseconds), id: leastId };
}

/** The key of a row in the database's spelling. */
export function keyOfRow({ start_time, id }: { readonly start_time: string; readonly id: string }): PageKey {
  return { start: databaseInstant(start_time) ?? start_time, id };
}

/**
 * The last millisecond, inclusive, whose records may come after the key.
 * @returns ±Infinity for a key outside the range of instants that the buffer holds
 */
export function lastMillisecondAfter({ start, id }: PageKey): number {
  const within = parseInstant(start)?.instant;
  if (within === undefined) return start.startsWith('-') || start.endsWith('BC') ? -Infinity : Infinity;
  const isAllShown = id === leastId && within.endsWith('000Z');
  return millisecondsOf(within) - (isAllShown ? 1 : 0);
}
