import * as z from 'zod/mini';
import { parseJson } from '../values/json.ts';
import { readTransaction, type Transaction } from '../transaction/transaction.ts';
import type { Reference } from './reference.ts';
import type { Site } from '../redis/site.ts';

export interface Bodies {
  readonly transactions: readonly Transaction[];
  /** stored by another release, or damaged; the others can still be processed */
  readonly unreadable: readonly { readonly reference: Reference; readonly text: string }[];
}

/** Reads stored transactions in one round trip. Transactions cleaned meanwhile are left out. */
export async function readBodies({ redis, keys }: Site, references: readonly Reference[]): Promise<Bodies> {
  const transactions: Transaction[] = [];
  const unreadable: { reference: Reference; text: string }[] = [];
  if (references.length === 0) return { transactions, unreadable };
  const pipeline = redis.pipeline();
  for (const { aggregate, id } of references) pipeline.hget(keys.overlay(aggregate), `b:${id}`);
  const texts = z.array(z.nullable(z.string())).parse(await pipeline.exec());
  for (const [index, reference] of references.entries()) {
    const text = texts[index] ?? null;
    if (text === null) continue;
    const transaction = read(text);
    if (transaction) transactions.push(transaction);
    else unreadable.push({ reference, text });
  }
  return { transactions, unreadable };
}

function read(text: string): Transaction | undefined {
  try {
    return readTransaction(parseJson(text));
  } catch {
    return undefined;
  }
}
