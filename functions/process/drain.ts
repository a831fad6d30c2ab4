/**
 * Drains: the copies that came with messages together with the oldest pending transactions, batch after batch, each in one
 * call at main, until nothing is left or the time is up.
 */
import { restoreAccess } from '../../lib/auth/restore-access.ts';
import { readBodies } from '../../lib/buffer/bodies.ts';
import { claim, release, type CopyState } from '../../lib/buffer/claim.ts';
import { heal } from '../../lib/buffer/heal.ts';
import { mark } from '../../lib/buffer/mark.ts';
import type { Log } from '../../lib/observability/log.ts';
import { applyTransactions, type Applied } from '../../lib/postgres/apply.ts';
import type { Pool } from '../../lib/postgres/connect.ts';
import type { Redis } from '../../lib/redis/client.ts';
import type { Keys } from '../../lib/redis/keys.ts';
import { isQuiet, type Transaction } from '../../lib/transaction/transaction.ts';

export interface DrainParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly main: Pool;
  readonly startWaitSeconds: number;
  readonly now: () => number;
  readonly log: Log;
}

/** What became of a copy. `busy`: another processor has it; `left`: main has not recorded it, or Redis was not told that it has */
export type CopyOutcome = 'recorded' | 'busy' | 'left';

export interface Drained {
  /** of each copy, in order */
  readonly copies: readonly CopyOutcome[];
  /** false: main did not answer, or what it did is not known */
  readonly mainAnswered: boolean;
  readonly applied: number;
  /** something was parked for its start */
  readonly waitsForStart: boolean;
  /** left pending in Redis */
  readonly backlog: number;
}

const smallBatch = 50;
const largestBatch = 2000;
const leaseMilliseconds = 20_000;

/**
 * @param deadline epoch ms after which no new batch is begun
 * @param always main is asked even if there is nothing to execute: whether it is back, and what has waited for too long
 */
export async function drain(
  parts: DrainParts,
  copies: readonly Transaction[],
  { deadline, always }: { readonly deadline: number; readonly always: boolean },
): Promise<Drained> {
  const outcomes = new Map<string, CopyOutcome>();
  let mine: readonly Transaction[] = copies;
  let applied = 0;
  let waitsForStart = false;
  let limit = smallBatch;
  let isAsked = !always;
  const end = async (mainAnswered: boolean, backlog: number) => {
    await restore(parts, copies);
    return result(copies, outcomes, { mainAnswered, applied, waitsForStart, backlog });
  };
  for (;;) {
    const batch = await gather(parts, mine, limit, outcomes, always);
    mine = [];
    if (batch.mainIsAway) {
      await giveBack(parts, batch.transactions);
      return end(false, batch.backlog);
    }
    if (batch.transactions.length > 0 || !isAsked) {
      isAsked = true;
      const done = await execute(parts, batch.transactions);
      if (done === undefined) return end(false, batch.backlog);
      if (done.isTold) for (const { id } of done.rows) outcomes.set(id, 'recorded');
      applied += done.rows.length;
      waitsForStart ||= done.rows.some((row) => row.parkedFor === 'start' && !row.overdue);
    }
    const isDone = batch.transactions.length === 0 || batch.backlog === 0 || parts.now() >= deadline;
    if (isDone) return end(true, batch.backlog);
    // A backlog is drained in batches that grow: over a slow link the number of round trips is what counts.
    limit = Math.min(largestBatch, limit * 4);
  }
}

function result(
  copies: readonly Transaction[],
  outcomes: ReadonlyMap<string, CopyOutcome>,
  rest: Omit<Drained, 'copies'>,
): Drained {
  return { copies: copies.map(({ id }) => outcomes.get(id) ?? 'left'), ...rest };
}

interface Batch {
  readonly transactions: readonly Transaction[];
  readonly backlog: number;
  /** another processor looks for main: these are only to be remembered by Redis */
  readonly mainIsAway: boolean;
}

/** Claims what is to be executed. With Redis away the copies alone are executed: the inbox tells what is a repeat. */
async function gather(
  { redis, keys, now, log }: DrainParts,
  copies: readonly Transaction[],
  limit: number,
  outcomes: Map<string, CopyOutcome>,
  always: boolean,
): Promise<Batch> {
  try {
    const claims = await claim(redis, keys, {
      copies,
      limit,
      nowMilliseconds: now(),
      leaseMilliseconds,
      always,
    });
    const inState = (state: CopyState) => copies.filter((_, index) => claims.copies[index] === state);
    for (const { id } of inState('busy')) outcomes.set(id, claims.mainIsAway ? 'left' : 'busy');
    for (const copy of inState('incomplete')) await heal(redis, keys, copy, now());
    for (const { id } of [...inState('recorded'), ...inState('incomplete')]) outcomes.set(id, 'recorded');
    // as Redis has acknowledged it, which may differ from a copy that was made while Redis was silent
    const claimed = inState('claimed');
    const { transactions, unreadable } = await readBodies(redis, keys, [...claimed, ...claims.oldest]);
    const read = new Set(transactions.map(({ id }) => id));
    if (unreadable.length > 0) {
      const ids = unreadable.map(({ reference }) => reference.id);
      log.error('transactions in redis cannot be read', { metric: 'UnreadableBody', transactions: ids });
    }
    return {
      transactions: [...inState('unknown'), ...claimed.filter(({ id }) => !read.has(id)), ...transactions],
      backlog: claims.backlog,
      mainIsAway: claims.mainIsAway,
    };
  } catch (error) {
    log.warn('redis did not answer the claim', { error });
    return { transactions: copies, backlog: 0, mainIsAway: false };
  }
}

interface Executed extends Applied {
  /** whether Redis knows of it; otherwise nobody who watches does */
  readonly isTold: boolean;
}

/** @returns undefined if main did not answer; everything is then pending again, also what Redis had forgotten */
async function execute(parts: DrainParts, batch: readonly Transaction[]): Promise<Executed | undefined> {
  const { redis, keys, main, startWaitSeconds, now, log } = parts;
  let done: Applied;
  try {
    done = await applyTransactions(main, batch, startWaitSeconds);
  } catch (error) {
    log.warn('main did not answer', { metric: 'MainUnreachable', error });
    await giveBack(parts, batch);
    return undefined;
  }
  try {
    if (done.rows.length === 0) await redis.del(keys.mainDown);
    const { lacking } = await mark(redis, keys, done.rows, done.lsn, now());
    // a copy goes once its body is where readers look for it, until every replica has it
    for (const copy of batch.filter(({ id }) => lacking.includes(id))) await heal(redis, keys, copy, now());
    const recorded = new Set(done.rows.map(({ id }) => id));
    await release(
      redis,
      keys,
      batch.filter(({ id }) => !recorded.has(id)),
    );
    return { ...done, isTold: true };
  } catch (error) {
    // Main has it. What Redis holds as pending the sweeper sees to; of what it never had only the copy can tell it.
    log.warn('redis was not told of a commit', { metric: 'MarkFailed', error });
    return { ...done, isTold: false };
  }
}

async function giveBack({ redis, keys, now, log }: DrainParts, batch: readonly Transaction[]): Promise<void> {
  try {
    for (const transaction of batch) await heal(redis, keys, transaction, now());
    await release(redis, keys, batch);
  } catch (error) {
    log.warn('redis did not take transactions back', { error });
  }
}

/** Rights that Redis may have forgotten, apart from the transactions that changed them. */
async function restore({ redis, keys, log }: DrainParts, copies: readonly Transaction[]): Promise<void> {
  // a token is made before it is revoked
  const changes = copies.filter(isQuiet).sort((a, b) => a.stamp - b.stamp);
  try {
    for (const change of changes) {
      const isUnderstood = await restoreAccess(redis, keys, change);
      if (!isUnderstood) log.warn('a change of rights was not restored', { transaction: change.id });
    }
  } catch (error) {
    log.warn('redis did not take rights back', { error });
  }
}
