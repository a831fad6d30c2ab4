import type { Transaction } from '../transaction/transaction.ts';

/**
 * Member of the buffer's sorted sets: `<stamp>:<aggregate>:<id>`. A script can derive every key of the transaction from it and
 * declare them in advance, as Upstash requires.
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

/** @throws Error if the text is not a reference */
export function readReference(text: string): Reference {
  const [stamp, aggregate, id] = text.split(':');
  if (!stamp || !aggregate || !id) throw new Error(`not a reference to a transaction: ${text}`);
  return { stamp: Number(stamp), aggregate, id };
}
