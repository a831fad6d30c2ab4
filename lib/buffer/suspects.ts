/** Failures at main that processors remember between runs. */
import * as z from 'zod/mini';
import { redisHash } from '../redis/hash.ts';
import type { Redis } from '../redis/client.ts';
import type { Site } from '../redis/site.ts';

const suspect = z.object({
  aggregate: z.string(),
  failures: z.int(),
  tries: z.int(),
  signature: z.string(),
  shape: z.string(),
});
const aggregates = z.array(z.string());

export interface FailureHistory {
  /** by transaction id: transactions that have failed on their own, outside a batch */
  readonly suspects: ReadonlyMap<string, z.infer<typeof suspect>>;
  /** signature of a data error → aggregates in which it occurred since a transaction of the same shape last succeeded */
  readonly failures: ReadonlyMap<string, readonly string[]>;
  /** size above which batches have failed; undefined if none has */
  readonly batchLimit: number | undefined;
}

export const emptyFailureHistory: FailureHistory = {
  suspects: new Map(),
  failures: new Map(),
  batchLimit: undefined,
};

const daySeconds = 24 * 3600;
const hourSeconds = 3600;

/** One round trip. */
export async function readFailureHistory({ redis, keys }: Site): Promise<FailureHistory> {
  const pipeline = redis.pipeline();
  pipeline.hgetall(keys.suspects);
  pipeline.hgetall(keys.failures);
  pipeline.get(keys.batchLimit);
  const [suspects, failures, limit] = await pipeline.exec<[unknown, unknown, string | null]>();
  return {
    suspects: new Map(read(suspects, (text) => suspect.parse(JSON.parse(text)))),
    failures: new Map(read(failures, (text) => aggregates.parse(JSON.parse(text)))),
    batchLimit: limit === null ? undefined : Number(limit),
  };
}

function read<T>(answer: unknown, parse: (text: string) => T): [string, T][] {
  return Object.entries(redisHash.parse(answer) ?? {}).map(([field, text]) => [field, parse(text)]);
}

/** Writes the differences between `before` and `after`, in one round trip at most. */
export async function writeFailureHistory(
  { redis, keys }: Site,
  before: FailureHistory,
  after: FailureHistory,
): Promise<void> {
  const pipeline = redis.pipeline();
  const written = [
    writeHash(pipeline, keys.suspects, before.suspects, after.suspects),
    writeHash(pipeline, keys.failures, before.failures, after.failures),
  ];
  const isLimitNew = after.batchLimit !== before.batchLimit;
  if (isLimitNew && after.batchLimit === undefined) pipeline.del(keys.batchLimit);
  else if (isLimitNew) pipeline.set(keys.batchLimit, String(after.batchLimit), { ex: hourSeconds });
  if (isLimitNew || written.includes(true)) await pipeline.exec();
}

function writeHash(
  pipeline: ReturnType<Redis['pipeline']>,
  key: string,
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): boolean {
  const removed = [...before.keys()].filter((field) => !after.has(field));
  const changed = [...after]
    .map(([field, value]): [string, string] => [field, JSON.stringify(value)])
    .filter(([field, text]) => JSON.stringify(before.get(field)) !== text);
  if (removed.length > 0) pipeline.hdel(key, ...removed);
  if (changed.length > 0) {
    pipeline.hset(key, Object.fromEntries(changed));
    pipeline.expire(key, daySeconds);
  }
  return removed.length + changed.length > 0;
}
