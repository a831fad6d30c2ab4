/**
 * Sources that an answer could not take into account. They are a property of the answer, not of its records, since an empty
 * answer may have them too.
 *
 * - replica: no replica answered; the records come from the buffer alone
 * - planned-unit: the replica does not have the planned unit of a record, hence not its program, source and instrument
 * - buffer: the buffer holds more records with unknown start than one page reads
 */
export type Unseen = 'replica' | 'planned-unit' | 'buffer';

/** For the header `Unseen`. */
export function unseenHeader(unseen: readonly Unseen[]): Readonly<Record<string, string>> {
  return unseen.length > 0 ? { Unseen: [...new Set(unseen)].join(', ') } : {};
}
