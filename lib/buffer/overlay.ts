/** Reads the overlay: transactions whose effect a replica may not have yet. */
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
  /** main has refused it: it has no effect */
  readonly refused: boolean;
}

export interface Overlay {
  /** the aggregates that were read */
  readonly aggregates: readonly string[];
  readonly entries: readonly OverlayEntry[];
  /** the highest LSN ever cleaned: a replica that has not replayed it may lack transactions that are no longer in the overlay */
  readonly floor: bigint;
}

const flag = z.object({
  state: z.enum(states),
  lsn: z.optional(z.string()),
  reason: z.optional(z.string()),
  verified: z.optional(z.boolean()),
  refused: z.optional(z.boolean()),
});

/** Transactions of several aggregates lead from one aggregate to the next; reads follow them this far. */
const mostRounds = 3;

/**
 * Overlay of some aggregates, in one round trip. The floor is read last, so that it covers everything cleaned before. A transaction
 * that also changes other aggregates takes one more: earlier transactions there decide whether it has an effect.
 */
export async function readOverlay({ redis, keys }: Site, aggregates: readonly string[]): Promise<Overlay> {
  const hashes = new Map<string, Readonly<Record<string, string>>>();
  let entries: readonly OverlayEntry[] = [];
  let floor = 0n;
  let asked = [...new Set(aggregates)];
  for (let round = 0; round < mostRounds; round += 1) {
    const pipeline = redis.pipeline();
    for (const aggregate of asked) pipeline.hgetall(keys.overlay(aggregate));
    pipeline.get(keys.floor);
    const answers = await pipeline.exec();
    floor = BigInt(z.nullable(z.string()).parse(answers.pop()) ?? 0);
    const read = asked.map((aggregate, index) => [aggregate, redisHash.parse(answers[index]) ?? {}] as const);
    for (const [aggregate, hash] of read) hashes.set(aggregate, hash);
    const found = read.flatMap(([, hash]) => entriesOf(hash));
    entries = [...entries, ...found];
    const named = [
      ...read.flatMap(([, hash]) =>
        Object.entries(hash).flatMap(([field, to]) => (field.startsWith('p:') ? [to] : [])),
      ),
      ...found.flatMap(({ transaction }) => transaction.aggregates ?? []),
    ];
    asked = [...new Set(named)].filter((each) => !hashes.has(each));
    if (asked.length === 0) break;
  }
  return { aggregates: [...hashes.keys()], entries, floor };
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
  /** aggregates that may belong to the range, each once */
  readonly aggregates: readonly string[];
  /** epoch ms: aggregates that started earlier are left out; absent if there are none */
  readonly completeFrom?: number;
  /** no other aggregate has an overlay */
  readonly isComplete: boolean;
  /** some aggregates with unknown start are left out */
  readonly hasMoreUnknown: boolean;
}

export interface OverlaidRange {
  /** limits the range to one planned unit */
  readonly obsUnitId?: number;
  /** epoch ms, inclusive */
  readonly from?: number;
  /** epoch ms, inclusive */
  readonly to?: number;
  readonly count: number;
  /** limit on aggregates with unknown start, default 1000 */
  readonly maxUnknown?: number;
}

/**
 * Finds aggregates with an overlay that started within a range, newest first, about `count` of them at most, and aggregates with
 * unknown start. Takes one round trip, or two if more than `count` started in the same millisecond.
 * @returns also the floor, so that a reader need not fetch it if there are no aggregates
 */
export async function overlaidWithin(
  { redis, keys }: Site,
  range: OverlaidRange,
): Promise<OverlaidSlice & { readonly floor: bigint }> {
  const { maxUnknown = 1000 } = range;
  const pipeline = redis.pipeline();
  queryRange(pipeline, keys, range, range.count);
  pipeline.srandmember(keys.overlaidUnknown, maxUnknown + 1);
  pipeline.get(keys.floor);
  pipeline.zcard(keys.overlaid);
  pipeline.scard(keys.overlaidUnknown);
  const [answer, someUnknown, floorText, known, unknownCount] = rangeAnswer.parse(await pipeline.exec());
  const members = readRange(range, answer);
  const unknown = someUnknown.slice(0, maxUnknown);
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
  // more may have started in the same millisecond as the last one: leave that millisecond to the next slice
  const before = members.filter(({ start }) => start > last.start).map(({ aggregate }) => aggregate);
  if (before.length > 0) return { ...slice(before), completeFrom: last.start + 1 };
  const together = { ...range, from: last.start, to: last.start };
  const rest = redis.pipeline();
  queryRange(rest, keys, together);
  const [all] = z.tuple([z.array(z.string())]).parse(await rest.exec());
  const same = slice(readRange(together, all).map(({ aggregate }) => aggregate));
  // the index of a planned unit holds no start before 0
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

/** Finds which of `aggregates` have an overlay, in one round trip. The floor is read last. */
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

/** Queries the index by planned unit if there is one, so that the cost depends on the matches alone. @param count -1 for all */
function queryRange(
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
