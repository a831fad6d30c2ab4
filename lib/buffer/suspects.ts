/** What processors remember from one run to the next about transactions that main did not record. */
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

export interface Doubts {
  /** by transaction id: those that have failed alone */
  readonly suspects: ReadonlyMap<string, z.infer<typeof suspect>>;
  /** signature of an error about data → aggregates that it was seen on since the last success of the like */
  readonly failures: ReadonlyMap<string, readonly string[]>;
  /** of a batch; undefined: none that is too large is remembered */
  readonly batchLimit: number | undefined;
}

export const noDoubts: Doubts = { suspects: new Map(), failures: new Map(), batchLimit: undefined };

const daySeconds = 24 * 3600;
const hourSeconds = 3600;

/** One round trip. */
export async function readDoubts({ redis, keys }: Site): Promise<Doubts> {
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

/** Writes what differs between `before` and `after`; at most one round trip. */
export async function writeDoubts({ redis, keys }: Site, before: Doubts, after: Doubts): Promise<void> {
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
  const gone = [...before.keys()].filter((field) => !after.has(field));
  const changed = [...after]
    .map(([field, value]): [string, string] => [field, JSON.stringify(value)])
    .filter(([field, text]) => JSON.stringify(before.get(field)) !== text);
  if (gone.length > 0) pipeline.hdel(key, ...gone);
  if (changed.length > 0) {
    pipeline.hset(key, Object.fromEntries(changed));
    pipeline.expire(key, daySeconds);
  }
  return gone.length + changed.length > 0;
}
