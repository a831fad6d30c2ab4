/** The overlay as readers see it: what the buffer may still add to the database. */
import * as z from 'zod/mini';
import { redisHash } from '../redis/hash.ts';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { states, type State } from '../transaction/lifecycle.ts';
import { parseJson } from '../values/json.ts';
import { readTransaction, type Transaction } from '../transaction/transaction.ts';
import { aggregateOfUnitMember, startOfUnitMember, unitBounds } from './overlay-index.ts';
import type { Site } from '../redis/site.ts';

export interface OverlayEntry {
  readonly transaction: Transaction;
  readonly state: State;
  readonly lsn?: string;
  readonly reason?: string;
  readonly verified: boolean;
  /** main has said no, for good: it has no effect */
  readonly refused: boolean;
}

export interface Overlay {
  /** whose overlay it is */
  readonly aggregates: readonly string[];
  readonly entries: readonly OverlayEntry[];
  /** the highest LSN ever cleaned: a replica that has not replayed it may lack what the overlay no longer has */
  readonly floor: bigint;
}

const flag = z.object({
  state: z.enum(states),
  lsn: z.optional(z.string()),
  reason: z.optional(z.string()),
  verified: z.optional(z.boolean()),
  refused: z.optional(z.boolean()),
});

/** Overlay of some aggregates, in one round trip; the floor is read after them, so it is never too low for them. */
export async function readOverlay({ redis, keys }: Site, aggregates: readonly string[]): Promise<Overlay> {
  const pipeline = redis.pipeline();
  for (const aggregate of aggregates) pipeline.hgetall(keys.overlay(aggregate));
  pipeline.get(keys.floor);
  const answers = await pipeline.exec();
  const floor = z.nullable(z.string()).parse(answers.pop());
  return {
    aggregates,
    entries: answers.flatMap((answer) => entriesOf(redisHash.parse(answer) ?? {})),
    floor: BigInt(floor ?? 0),
  };
}

function entriesOf(hash: Readonly<Record<string, string>>): OverlayEntry[] {
  return Object.entries(hash).flatMap(([field, body]) => {
    if (!field.startsWith('b:')) return [];
    const { state, lsn, reason, verified, refused } = flag.parse(
      JSON.parse(hash[`s:${field.slice(2)}`] ?? '{"state":"buffered"}'),
    );
    return {
      transaction: readTransaction(parseJson(body)),
      state,
      ...(lsn && { lsn }),
      ...(reason && { reason }),
      verified: verified ?? true,
      refused: refused ?? false,
    };
  });
}

export interface OverlaidSlice {
  /** those that may belong to the range, each once */
  readonly aggregates: readonly string[];
  /** there are more, that started before this (epoch ms) */
  readonly completeFrom?: number;
  /** no other aggregate had an overlay */
  readonly isComplete: boolean;
  /** more of those whose start the site does not know were left out */
  readonly hasMoreUnknown: boolean;
}

export interface OverlaidRange {
  /** of one planned unit alone */
  readonly obsUnitId?: number;
  /** epoch ms, inclusive */
  readonly from?: number;
  /** epoch ms, inclusive */
  readonly to?: number;
  readonly count: number;
  /** of those whose start the site does not know; default 1000 */
  readonly unknownAtMost?: number;
}

/**
 * Aggregates with an overlay that started within a range, the newest ones first, at most about `count`; and of those whose start
 * the site does not know. With them the overlay of none and the floor, so that nothing more need be asked if there are none.
 * One round trip; two if more than `count` have started in the same millisecond.
 */
export async function overlaidWithin(
  { redis, keys }: Site,
  range: OverlaidRange,
): Promise<OverlaidSlice & { readonly floor: bigint }> {
  const { unknownAtMost = 1000 } = range;
  const pipeline = redis.pipeline();
  askRange(pipeline, keys, range, range.count);
  pipeline.srandmember(keys.overlaidUnknown, unknownAtMost + 1);
  pipeline.get(keys.floor);
  pipeline.zcard(keys.overlaid);
  pipeline.scard(keys.overlaidUnknown);
  const [answer, someUnknown, floorText, known, unknownCount] = rangeAnswer.parse(await pipeline.exec());
  const members = readRange(range, answer);
  const unknown = someUnknown.slice(0, unknownAtMost);
  const slice = (shown: readonly string[]) => ({
    aggregates: [...new Set([...shown, ...unknown])],
    floor: BigInt(floorText ?? 0),
    isComplete: shown.length === known && unknown.length === unknownCount,
    hasMoreUnknown: unknownCount > unknown.length,
  });
  const last = members.at(-1);
  if (members.length < range.count || last === undefined) {
    return slice(members.map(({ aggregate }) => aggregate));
  }
  // others may have started with the last one: it is left to the next look
  const before = members.filter(({ start }) => start > last.start).map(({ aggregate }) => aggregate);
  if (before.length > 0) return { ...slice(before), completeFrom: last.start + 1 };
  const together = { ...range, from: last.start, to: last.start };
  const rest = redis.pipeline();
  askRange(rest, keys, together);
  const [all] = z.tuple([z.array(z.string())]).parse(await rest.exec());
  const same = slice(readRange(together, all).map(({ aggregate }) => aggregate));
  // the index of one planned unit knows nothing earlier than its first millisecond
  const isLast = range.obsUnitId !== undefined && last.start === 0;
  return { ...same, ...(!isLast && { completeFrom: last.start }) };
}

const rangeAnswer = z.tuple([
  z.array(z.string()),
  z.array(z.string()),
  z.nullable(z.string()),
  z.int(),
  z.int(),
]);

/** Which of `aggregates` have an overlay, in one round trip, and the floor, read after that. */
export async function findOverlaid(
  { redis, keys }: Site,
  aggregates: readonly [string, ...string[]],
): Promise<{ readonly overlaid: readonly string[]; readonly floor: bigint }> {
  const pipeline = redis.pipeline();
  pipeline.zmscore(keys.overlaid, [...aggregates]);
  pipeline.smismember(keys.overlaidUnknown, [...aggregates]);
  pipeline.get(keys.floor);
  const [scores, areUnknown, floor] = overlaidAnswer.parse(await pipeline.exec());
  const overlaid = aggregates.filter(
    (_, index) => (scores[index] ?? null) !== null || areUnknown[index] === 1,
  );
  return { overlaid, floor: BigInt(floor ?? 0) };
}

const overlaidAnswer = z.tuple([
  z.array(z.nullable(z.union([z.string(), z.number()]))),
  z.array(z.int()),
  z.nullable(z.string()),
]);

/** Asks the index whose cost follows what matches. @param count -1: all */
function askRange(
  pipeline: ReturnType<Redis['pipeline']>,
  keys: Keys,
  { obsUnitId, from, to }: Omit<OverlaidRange, 'count'>,
  count = -1,
): void {
  if (obsUnitId === undefined) {
    const options = { byScore: true, rev: true, withScores: true, offset: 0, count } as const;
    pipeline.zrange(keys.overlaid, to ?? '+inf', from ?? '-inf', options);
  } else {
    const [lowest, highest] = unitBounds(obsUnitId, from, to);
    pipeline.zrange(keys.overlaidByUnit, highest, lowest, { byLex: true, rev: true, offset: 0, count });
  }
}

function readRange({ obsUnitId }: Omit<OverlaidRange, 'count'>, answer: readonly string[]) {
  if (obsUnitId !== undefined) {
    return answer.map((member) => ({
      aggregate: aggregateOfUnitMember(member),
      start: startOfUnitMember(member),
    }));
  }
  return answer.flatMap((aggregate, index) =>
    index % 2 === 0 ? [{ aggregate, start: Number(answer[index + 1]) }] : [],
  );
}
