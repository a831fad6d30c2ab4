import * as z from 'zod/mini';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { parseJson } from '../values/json.ts';
import { readTransaction, type Transaction } from '../transaction/transaction.ts';
import type { Reference } from './reference.ts';

/** The stored transactions that `references` name, in one round trip; those that are cleaned meanwhile are left out. */
export async function readBodies(
  redis: Redis,
  keys: Keys,
  references: readonly Reference[],
): Promise<Transaction[]> {
  if (references.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const { aggregate, id } of references) pipeline.hget(keys.overlay(aggregate), `b:${id}`);
  const bodies = z.array(z.nullable(z.string())).parse(await pipeline.exec());
  return bodies.flatMap((body) => (body === null ? [] : [readTransaction(parseJson(body))]));
}
