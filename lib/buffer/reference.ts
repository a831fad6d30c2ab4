import { aggregatesOf } from '../transaction/aggregates.ts';
import type { Transaction } from '../transaction/transaction.ts';

/**
 * Member of the buffer's sorted sets: `<stamp>:<aggregate>,…:<id>`. A script can derive every key of the transaction from it and
 * declare them in advance, as Upstash requires.
 */
export interface Reference {
  readonly stamp: number;
  readonly aggregate: string;
  /** all aggregates, if there are several */
  readonly aggregates?: string[];
  readonly id: string;
}

export function writeReference(
  named: Pick<Transaction, 'stamp' | 'id'> & Parameters<typeof aggregatesOf>[0],
): string {
  return `${named.stamp}:${aggregatesOf(named).join(',')}:${named.id}`;
}

/** @throws Error if the text is not a reference */
export function readReference(text: string): Reference {
  const [stamp, names, id] = text.split(':');
  const aggregates = (names ?? '').split(',');
  const [aggregate] = aggregates;
  if (!stamp || !aggregate || !id) throw new Error(`not a reference to a transaction: ${text}`);
  return { stamp: Number(stamp), aggregate, ...(aggregates.length > 1 && { aggregates }), id };
}
