/**
 * What an answer could not take into account. It belongs to the answer, not to its records: an empty one may carry it.
 *
 * - replica: no replica answered; the buffer alone did
 * - planned-unit: a record whose planned unit the replica does not know: its program, source and instrument are unknown
 * - buffer: more records than one page looks at whose start the site does not know
 */
export type Unseen = 'replica' | 'planned-unit' | 'buffer';

/** For the header `Unseen`. */
export function unseenHeader(unseen: readonly Unseen[]): Readonly<Record<string, string>> {
  return unseen.length > 0 ? { Unseen: [...new Set(unseen)].join(', ') } : {};
}
