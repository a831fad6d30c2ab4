/**
 * Executes the copies in the received messages and the oldest pending transactions, batch by batch, until none is left or the
 * time is up. Transactions that have failed on their own before come last.
 */
import { restoreAccess } from '../../lib/credentials/restore-access.ts';
import { readBodies } from '../../lib/buffer/bodies.ts';
import { claim, release, type CopyState } from '../../lib/buffer/claim.ts';
import { restoreEntry } from '../../lib/buffer/restore.ts';
import {
  emptyFailureHistory,
  readFailureHistory,
  writeFailureHistory,
  type FailureHistory,
} from '../../lib/buffer/suspects.ts';
import { linkedAggregates } from '../../lib/transaction/aggregates.ts';
import { hasNoFeed, traceOf, type Step, type Transaction } from '../../lib/transaction/transaction.ts';
import { execute, type Executed, type ExecuteParts } from './execute.ts';
import { quarantineBodies } from './unreadable.ts';

export type DrainParts = ExecuteParts;

/**
 * The result for a copy:
 * - `recorded`: main has recorded it and Redis knows, so the message can be deleted
 * - `busy`: another processor is executing it
 * - `left`: main has not recorded it, or Redis could not be marked
 */
export type CopyOutcome = 'recorded' | 'busy' | 'left';

export interface Drained {
  /** of each copy, in order */
  readonly copies: readonly CopyOutcome[];
  /** false if main did not answer, or failed even an empty call */
  readonly mainAnswered: boolean;
  /** Redis has every copy that is left: it is executed as soon as main answers, without its message */
  readonly isHeld: boolean;
  readonly applied: number;
  /** a transaction was parked until its start arrives */
  readonly waitsForStart: boolean;
  /** an admin's retry was executed */
  readonly hasRetried: boolean;
  /** number of pending transactions that can be executed at once */
  readonly backlog: number;
  /** seconds until the transactions that could not be recorded are tried again; undefined if there are none */
  readonly heldSeconds: number | undefined;
}

const smallBatch = 50;
const largestBatch = 2000;
const leaseMilliseconds = 20_000;
/** while main is reachable, no transaction should be pending for longer */
const oldMilliseconds = 60_000;
/** pause before a suspect is tried again, and pause while main itself is at fault */
const suspectSeconds = 5;
const faultSeconds = 30;

export interface DrainOptions {
  /** epoch ms after which no new batch begins */
  readonly deadline: number;
  /** epoch ms by which the last call at main must have ended, before the leases expire; default 9 s after `deadline` */
  readonly end?: number;
  /** call main even without transactions, to find out whether it is reachable and to let it process overdue ones */
  readonly always: boolean;
}

export async function drain(
  parts: DrainParts,
  copies: readonly Transaction[],
  options: DrainOptions,
): Promise<Drained> {
  const run = new Drain(parts, copies, options);
  const drained = await run.drain();
  await restore(parts, copies);
  return drained;
}

class Drain {
  readonly #parts: DrainParts;
  readonly #copies: readonly Transaction[];
  readonly #options: DrainOptions;
  readonly #outcomes = new Map<string, CopyOutcome>();
  /** claimed by this run and not recorded yet */
  readonly #open = new Map<string, Transaction>();
  #failureHistory: FailureHistory = emptyFailureHistory;
  #applied = 0;
  #waitsForStart = false;
  #hasRetried = false;
  #isHeld = true;
  readonly #unexplained: string[] = [];

  constructor(parts: DrainParts, copies: readonly Transaction[], options: DrainOptions) {
    this.#parts = parts;
    this.#copies = copies;
    this.#options = options;
  }

  async drain(): Promise<Drained> {
    const known = await this.#readFailureHistory();
    this.#failureHistory = known;
    const suspected = [...known.suspects.values()].map(({ aggregate }) => aggregate);
    const last: Transaction[] = [];
    let mine: readonly Transaction[] = this.#copies;
    let mustCall = this.#options.always;
    let limit = Math.min(smallBatch, known.batchLimit ?? smallBatch);
    let stopped: Executed['stopped'];
    let backlog = 0;
    for (;;) {
      const batch = await this.#gather(mine, limit);
      mine = [];
      backlog = batch.backlog;
      for (const each of batch.transactions) this.#open.set(each.id, each);
      if (batch.isMainUnreachable) return this.#end('main unreachable', backlog);
      const chainOf = linkedAggregates([...last, ...batch.transactions]);
      const doubtful = new Set([...suspected, ...last.map(({ aggregate }) => aggregate)].map(chainOf));
      const first = batch.transactions.filter(({ aggregate }) => !doubtful.has(chainOf(aggregate)));
      last.push(...batch.transactions.filter(({ aggregate }) => doubtful.has(chainOf(aggregate))));
      if (first.length > 0 || mustCall) {
        mustCall = false;
        const done = await this.#execute(first);
        stopped = done.stopped;
        // batches of a backlog grow: over a slow link the number of round trips dominates
        if (done.allSucceeded) limit = this.#grow(limit, first.length);
        else limit = Math.min(limit, this.#failureHistory.batchLimit ?? limit);
      }
      if (stopped !== undefined || batch.transactions.length === 0 || backlog === 0) break;
      if (this.#parts.now() >= this.#options.deadline) break;
    }
    if (stopped === undefined && last.length > 0) stopped = (await this.#execute(last)).stopped;
    await this.#writeFailureHistory(known);
    return this.#end(stopped, backlog);
  }

  /** After a batch that was too large, the limit rises again step by step. */
  #grow(limit: number, size: number): number {
    const { batchLimit } = this.#failureHistory;
    const larger = Math.min(largestBatch, limit * 4);
    if (batchLimit !== undefined && size >= batchLimit) {
      this.#failureHistory = {
        ...this.#failureHistory,
        batchLimit: larger === largestBatch ? undefined : larger,
      };
    }
    return larger;
  }

  async #execute(batch: readonly Transaction[]): Promise<Executed> {
    const { deadline, end = deadline + 9000 } = this.#options;
    const done = await execute(this.#parts, batch, this.#failureHistory, end);
    this.#failureHistory = done.failureHistory;
    this.#applied += done.rows.length;
    this.#waitsForStart ||= done.rows.some((row) => row.parkedFor === 'start' && !row.overdue);
    this.#hasRetried ||= batch.some(({ id, steps }) => done.recorded.has(id) && steps.some(isRetry));
    this.#unexplained.push(...done.unexplained);
    for (const id of done.recorded) {
      this.#open.delete(id);
      this.#outcomes.set(id, done.unmarked.has(id) ? 'left' : 'recorded');
    }
    return done;
  }

  async #end(stopped: Executed['stopped'], backlog: number): Promise<Drained> {
    const mainAnswered = stopped !== 'main unreachable' && stopped !== 'main faulty';
    await this.#release();
    if (mainAnswered) await this.#reportNoProgress();
    const left = this.#open.size;
    const isOutOfTime = stopped === 'out of time';
    const isCounting = [...this.#open.keys()].some(
      (id) => (this.#failureHistory.suspects.get(id)?.failures ?? 0) > 0,
    );
    return {
      copies: this.#copies.map(({ id }) => this.#outcomes.get(id) ?? 'left'),
      mainAnswered,
      isHeld: this.#isHeld,
      applied: this.#applied,
      waitsForStart: this.#waitsForStart,
      hasRetried: this.#hasRetried,
      backlog: backlog + (isOutOfTime ? left : 0),
      heldSeconds:
        !mainAnswered || left === 0 || isOutOfTime ? undefined : isCounting ? suspectSeconds : faultSeconds,
    };
  }

  /** Returns unrecorded transactions to pending, so that the next processor need not wait for the lease; restores lost copies. */
  async #release(): Promise<void> {
    const { now, log } = this.#parts;
    try {
      for (const copy of this.#copies)
        if (this.#open.has(copy.id)) await restoreEntry(this.#parts, copy, now());
      await release(this.#parts, [...this.#open.values()]);
    } catch (error) {
      this.#isHeld = false;
      log.warn('returning transactions to redis failed', { error });
    }
  }

  async #reportNoProgress(): Promise<void> {
    const { now, log } = this.#parts;
    const old = [...this.#open.values()].filter(({ stamp }) => stamp < (now() - oldMilliseconds) * 1000);
    const ids = new Set([...this.#unexplained, ...old.map(({ id }) => id)]);
    const transactions = [...ids].map((id) => traceOf(this.#open.get(id) ?? { id }));
    if (transactions.length === 0) return;
    log.error('main answers but has not recorded transactions', {
      metric: 'NoProgress',
      count: transactions.length,
      transactions: transactions.slice(0, 20),
    });
    await this.#parts.redis.set(this.#parts.keys.noProgress, '1', { ex: 120 }).catch(() => undefined);
  }

  async #readFailureHistory(): Promise<FailureHistory> {
    const { log } = this.#parts;
    return readFailureHistory(this.#parts).catch((error: unknown) => {
      log.warn('reading the failure history from redis failed', { error });
      return emptyFailureHistory;
    });
  }

  async #writeFailureHistory(before: FailureHistory): Promise<void> {
    const { log } = this.#parts;
    await writeFailureHistory(this.#parts, before, this.#failureHistory).catch((error: unknown) =>
      log.warn('writing the failure history to redis failed', { error }),
    );
  }

  /** Claims a batch. Without Redis only the copies are executed, which is safe because the inbox detects repeats. */
  async #gather(copies: readonly Transaction[], limit: number): Promise<Batch> {
    const { now, log } = this.#parts;
    try {
      const claims = await claim(this.#parts, {
        copies,
        limit,
        nowMilliseconds: now(),
        leaseMilliseconds,
        always: this.#options.always,
      });
      const inState = (state: CopyState) => copies.filter((_, index) => claims.copies[index] === state);
      for (const { id } of inState('busy'))
        this.#outcomes.set(id, claims.isMainUnreachable ? 'left' : 'busy');
      for (const copy of inState('incomplete')) await restoreEntry(this.#parts, copy, now());
      for (const { id } of [...inState('recorded'), ...inState('incomplete')]) {
        this.#outcomes.set(id, 'recorded');
      }
      // execute the body in Redis, which the client's answer came from; a copy made while Redis did not answer may differ
      const claimed = inState('claimed');
      const { transactions, unreadable } = await readBodies(this.#parts, [...claimed, ...claims.oldest]);
      const read = new Set(transactions.map(({ id }) => id));
      if (unreadable.length > 0) await quarantineBodies(this.#parts, unreadable);
      return {
        transactions: [...inState('unknown'), ...claimed.filter(({ id }) => !read.has(id)), ...transactions],
        backlog: claims.backlog,
        isMainUnreachable: claims.isMainUnreachable,
      };
    } catch (error) {
      this.#isHeld = false;
      log.warn('claiming transactions from redis failed', { error });
      return { transactions: copies, backlog: 0, isMainUnreachable: false };
    }
  }
}

const isRetry = ({ kind }: Step) => kind === 'retry';

interface Batch {
  readonly transactions: readonly Transaction[];
  readonly backlog: number;
  /** another processor probes main: this one only makes sure that Redis has the transactions */
  readonly isMainUnreachable: boolean;
}

/** Restores users and tokens that Redis may have lost, from the transactions that changed them. */
async function restore(parts: DrainParts, copies: readonly Transaction[]): Promise<void> {
  // a token is created before it is revoked
  const changes = copies.filter(hasNoFeed).sort((a, b) => a.stamp - b.stamp);
  try {
    for (const change of changes) {
      const isUnderstood = await restoreAccess(parts, change);
      if (!isUnderstood) parts.log.warn('a change of users or tokens could not be restored', traceOf(change));
    }
  } catch (error) {
    parts.log.warn('restoring users and tokens in redis failed', { error });
  }
}
