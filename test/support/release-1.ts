/** The frozen data of the first release; see test/fixtures/release-1/README.md. */
import { readFileSync } from 'node:fs';
import type { Redis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';

/** The prefix of every key in the dumps. */
export const keys = keysOf('ops');

export interface WriteCase {
  readonly name: string;
  readonly operation: 'startExecutedObsUnit' | 'finishExecutedObsUnit';
  readonly principal: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly key?: string;
  /** the body as sent */
  readonly body?: string;
  readonly identity: { readonly id: string; readonly keyDigest: string; readonly newRecordId: string };
}

type Value =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'hash'; readonly value: Readonly<Record<string, string>> }
  | { readonly type: 'set'; readonly value: readonly string[] }
  | { readonly type: 'zset'; readonly value: readonly (readonly [member: string, score: number])[] }
  | {
      readonly type: 'stream';
      readonly value: readonly (readonly [id: string, fields: readonly string[]])[];
    };

export interface Dump {
  readonly name: string;
  /** other values that tests need; instants in epoch ms */
  readonly facts: Readonly<Record<string, unknown>> & { readonly takenAt: number };
  readonly redis: Readonly<Record<string, Value & { readonly expiresInSeconds?: number }>>;
  /** rows of `inbox` at main, as `to_jsonb` writes them */
  readonly inbox: readonly (Readonly<Record<string, unknown>> & { readonly transaction_id: string })[];
  /** bodies of the messages in queue `transactions` */
  readonly messages: readonly string[];
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/release-1/${name}`, import.meta.url), 'utf8')) as T;
}

export const identities = read<{
  readonly writes: readonly WriteCase[];
  readonly derived: readonly { readonly parts: readonly string[]; readonly id: string }[];
  readonly userRows: readonly { readonly principal: string; readonly id: string }[];
}>('identities.json');

export const dumps = read<readonly Dump[]>('dumps.json');

export const cursors = read<
  Readonly<Record<'units' | 'transactions' | 'audit' | 'users', readonly string[]>> & {
    readonly wake: string;
  }
>('cursors.json');

/** @throws Error if there is no dump of that name */
export function dumpOf(name: string): Dump {
  const found = dumps.find((each) => each.name === name);
  if (!found) throw new Error(`no dump ${name}`);
  return found;
}

/** The transactions of all messages, as stored. */
export function storedTransactions(): readonly Readonly<Record<string, unknown>>[] {
  return dumps
    .flatMap(({ messages, facts }) => [...messages, ...((facts.messages as string[] | undefined) ?? [])])
    .map((body) => (JSON.parse(body) as { transaction?: Record<string, unknown> }).transaction)
    .filter((transaction) => transaction !== undefined);
}

/** Empties a Redis and loads the dump, with the remaining time of each key. */
export async function restore(redis: Redis, dump: Dump): Promise<void> {
  const pipeline = redis.multi();
  pipeline.flushall();
  for (const [key, each] of Object.entries(dump.redis)) {
    switch (each.type) {
      case 'string':
        pipeline.set(key, each.value);
        break;
      case 'hash':
        pipeline.hset(key, each.value);
        break;
      case 'set':
        for (const member of each.value) pipeline.sadd(key, member);
        break;
      case 'zset':
        for (const [member, score] of each.value) pipeline.zadd(key, { member, score });
        break;
      case 'stream':
        for (const [id, fields] of each.value) pipeline.xadd(key, id, pairsOf(fields));
        break;
    }
    if (each.expiresInSeconds !== undefined) pipeline.expire(key, Math.max(60, each.expiresInSeconds));
  }
  await pipeline.exec();
}

function pairsOf(fields: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    fields.flatMap((field, index) => (index % 2 === 0 ? [[field, fields[index + 1] ?? '']] : [])),
  );
}
