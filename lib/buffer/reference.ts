import type { Transaction } from '../transaction/transaction.ts';

/**
 * Names a transaction where the buffer orders it: `<stamp>:<aggregate>:<id>`. With it every key of the transaction is
 * known before Redis is asked, as Upstash wants it.
 */
export interface Reference {
  readonly stamp: number;
  readonly aggregate: string;
  readonly id: string;
}

export function writeReference({
  stamp,
  aggregate,
  id,
}: Pick<Transaction, 'stamp' | 'aggregate' | 'id'>): string {
  return `${stamp}:${aggregate}:${id}`;
}

/** @throws Error if the text is no reference */
export function readReference(text: string): Reference {
  const [stamp, aggregate, id] = text.split(':');
  if (!stamp || !aggregate || !id) throw new Error(`no reference to a transaction: ${text}`);
  return { stamp: Number(stamp), aggregate, id };
}
