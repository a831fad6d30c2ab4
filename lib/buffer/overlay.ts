/** The overlay as readers see it: what the buffer may still add to the database. */
import * as z from 'zod/mini';
import { redisHash } from '../redis/hash.ts';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { readTransaction, type Transaction } from '../transaction/transaction.ts';
import { aggregateOfUnitMember, unitBounds } from './overlay-index.ts';

export interface OverlayEntry {
  readonly transaction: Transaction;
  readonly state: 'buffered' | 'waiting' | 'committed' | 'failed' | 'discarded';
  readonly lsn?: string;
  readonly reason?: string;
  readonly verified: boolean;
}

export interface Overlay {
  readonly entries: readonly OverlayEntry[];
  /** the highest LSN ever cleaned: a replica that has not replayed it may lack what the overlay no longer has */
  readonly floor: bigint;
}

const flag = z.object({
  state: z.enum(['buffered', 'waiting', 'committed', 'failed', 'discarded']),
  lsn: z.optional(z.string()),
  reason: z.optional(z.string()),
  verified: z.optional(z.boolean()),
});

/** Overlay of some aggregates, in one round trip; the floor is read after them, so it is never too low for them. */
export async function readOverlay(redis: Redis, keys: Keys, aggregates: readonly string[]): Promise<Overlay> {
  const pipeline = redis.pipeline();
  for (const aggregate of aggregates) pipeline.hgetall(keys.overlay(aggregate));
  pipeline.get(keys.floor);
  const answers = await pipeline.exec();
  const floor = z.nullable(z.string()).parse(answers.pop());
  return {
    entries: answers.flatMap((answer) => entriesOf(redisHash.parse(answer) ?? {})),
    floor: BigInt(floor ?? 0),
  };
}

function entriesOf(hash: Readonly<Record<string, string>>): OverlayEntry[] {
  return Object.entries(hash).flatMap(([field, body]) => {
    if (!field.startsWith('b:')) return [];
    const { state, lsn, reason, verified } = flag.parse(
      JSON.parse(hash[`s:${field.slice(2)}`] ?? '{"state":"buffered"}'),
    );
    return {
      transaction: readTransaction(JSON.parse(body)),
      state,
      ...(lsn && { lsn }),
      ...(reason && { reason }),
      verified: verified ?? true,
    };
  });
}

/** Aggregates of one planned unit that have an overlay, and those that might be of it. One round trip. */
export async function overlaidOfUnit(redis: Redis, keys: Keys, obsUnitId: number): Promise<string[]> {
  const [from, to] = unitBounds(obsUnitId);
  const pipeline = redis.pipeline();
  pipeline.zrange(keys.overlaidByUnit, from, to, { byLex: true });
  pipeline.smembers(keys.overlaidUnknown);
  const [members, unknown] = z.tuple([z.array(z.string()), z.array(z.string())]).parse(await pipeline.exec());
  return [...members.map(aggregateOfUnitMember), ...unknown];
}

export interface OverlaidSlice {
  /** those that may belong to the range, each once */
  readonly aggregates: readonly string[];
  /** there are more, that started before this (epoch ms) */
  readonly completeFrom?: number;
}

/**
 * Aggregates with an overlay that started within a range, the newest ones first, at most about `count`; and those whose start
 * the site does not know. One round trip, or two if there are more.
 * @param range epoch ms, both inclusive
 */
export async function overlaidByStart(
  redis: Redis,
  keys: Keys,
  range: { readonly from?: number; readonly to?: number; readonly count: number },
): Promise<OverlaidSlice> {
  const { from = '-inf', to = '+inf', count } = range;
  const pipeline = redis.pipeline();
  pipeline.zrange(keys.overlaid, to, from, {
    byScore: true,
    rev: true,
    offset: 0,
    count,
    withScores: true,
  });
  pipeline.smembers(keys.overlaidUnknown);
  const [scored, unknown] = z.tuple([z.array(z.string()), z.array(z.string())]).parse(await pipeline.exec());
  const members = scored.filter((_each, index) => index % 2 === 0);
  if (members.length < count) return { aggregates: [...members, ...unknown] };
  const completeFrom = Number(scored.at(-1));
  const same = z
    .array(z.string())
    .parse(await redis.zrange(keys.overlaid, completeFrom, completeFrom, { byScore: true }));
  return { aggregates: [...new Set([...members, ...same, ...unknown])], completeFrom };
}
