/** Where a record stands in a list: by its start, then by its id, the newest first. Pure. */
import { databaseInstant, sortKeyOf } from '../values/database-instant.ts';
import { instantOfMilliseconds, millisecondsOf, parseInstant } from '../values/instant.ts';

/** Where a page ended: the next one holds what comes after it. */
export interface PageKey {
  /** as `databaseInstant` spells it */
  readonly start: string;
  readonly id: string;
}

/** Below every other one: a page that ends with it has shown all that started in that microsecond. */
const leastId = '00000000-0000-0000-0000-000000000000';

/** The order of Postgres: instants to the microsecond, then ids. Positive if `a` is newer. */
export function compareKeys(a: PageKey, b: PageKey): number {
  const [left, right] = [sortKeyOf(a.start), sortKeyOf(b.start)];
  if (left !== right) return left < right ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** The key at which everything newer, and all that started in this millisecond, has been shown. */
export function keyOfMillisecond(milliseconds: number): PageKey {
  return { start: instantOfMilliseconds(milliseconds), id: leastId };
}

/** A key as the database gives it. */
export function keyOfRow({ start_time, id }: { readonly start_time: string; readonly id: string }): PageKey {
  return { start: databaseInstant(start_time) ?? start_time, id };
}

/**
 * The last millisecond, inclusive, of which something may come after the key.
 * @returns ∓Infinity for a key outside the instants that the buffer holds
 */
export function lastMillisecondAfter({ start, id }: PageKey): number {
  const within = parseInstant(start)?.instant;
  if (within === undefined) return start.startsWith('-') || start.endsWith('BC') ? -Infinity : Infinity;
  const isAllShown = id === leastId && within.endsWith('000Z');
  return millisecondsOf(within) - (isAllShown ? 1 : 0);
}
