/**
 * Drains: the copies that came with messages together with the oldest pending transactions, batch after batch, until nothing
 * is left or the time is up. What has failed alone before is tried last.
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
import { hasNoFeed, type Step, type Transaction } from '../../lib/transaction/transaction.ts';
import { execute, type Executed, type ExecuteParts } from './execute.ts';
import { keepBodies } from './unreadable.ts';

export type DrainParts = ExecuteParts;

/** What became of a copy. `busy`: another processor has it; `left`: main has not recorded it, or Redis was not told that it has */
export type CopyOutcome = 'recorded' | 'busy' | 'left';

export interface Drained {
  /** of each copy, in order */
  readonly copies: readonly CopyOutcome[];
  /** false: main did not answer, or not as this release needs it */
  readonly mainAnswered: boolean;
  readonly applied: number;
  /** something was parked for its start */
  readonly waitsForStart: boolean;
  /** somebody has asked for something to be tried again */
  readonly hasRetried: boolean;
  /** left pending in Redis, and nothing speaks against it */
  readonly backlog: number;
  /** when to come back to those that could not be recorded, in seconds; undefined: there are none */
  readonly heldSeconds: number | undefined;
}

const smallBatch = 50;
const largestBatch = 2000;
const leaseMilliseconds = 20_000;
/** with main in reach nothing should wait for so long */
const oldMilliseconds = 60_000;
/** while a failure counts against somebody, and while nothing but a change at main helps */
const suspectSeconds = 5;
const faultSeconds = 30;

export interface DrainOptions {
  /** epoch ms after which no new batch is begun */
  readonly deadline: number;
  /** epoch ms by which the last call at main must have ended; default: 9 s later. Before the leases run out */
  readonly end?: number;
  /** main is asked even if there is nothing to execute: whether it is back, and what has waited for too long */
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
  /** ours to execute, and not recorded yet */
  readonly #open = new Map<string, Transaction>();
  #failureHistory: FailureHistory = emptyFailureHistory;
  #applied = 0;
  #waitsForStart = false;
  #hasRetried = false;
  readonly #unexplained: string[] = [];

  constructor(parts: DrainParts, copies: readonly Transaction[], options: DrainOptions) {
    this.#parts = parts;
    this.#copies = copies;
    this.#options = options;
  }

  async drain(): Promise<Drained> {
    const known = await this.#readFailureHistory();
    this.#failureHistory = known;
    const suspected = new Set([...known.suspects.values()].map(({ aggregate }) => aggregate));
    const last: Transaction[] = [];
    let mine: readonly Transaction[] = this.#copies;
    let isAsked = !this.#options.always;
    let limit = Math.min(smallBatch, known.batchLimit ?? smallBatch);
    let stopped: Executed['stopped'];
    let backlog = 0;
    for (;;) {
      const batch = await this.#gather(mine, limit);
      mine = [];
      backlog = batch.backlog;
      for (const each of batch.transactions) this.#open.set(each.id, each);
      if (batch.isMainUnreachable) return this.#end('main is away', backlog);
      const first = batch.transactions.filter(({ aggregate }) => !suspected.has(aggregate));
      last.push(...batch.transactions.filter(({ aggregate }) => suspected.has(aggregate)));
      if (first.length > 0 || !isAsked) {
        isAsked = true;
        const done = await this.#execute(first);
        stopped = done.stopped;
        // A backlog is drained in batches that grow: over a slow link the number of round trips is what counts.
        if (done.wasSmooth) limit = this.#grow(limit, first.length);
        else limit = Math.min(limit, this.#failureHistory.batchLimit ?? limit);
      }
      if (stopped !== undefined || batch.transactions.length === 0 || backlog === 0) break;
      if (this.#parts.now() >= this.#options.deadline) break;
    }
    if (stopped === undefined && last.length > 0) stopped = (await this.#execute(last)).stopped;
    await this.#writeFailureHistory(known);
    return this.#end(stopped, backlog);
  }

  /** A batch that was too large once is tried again in steps, too. */
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
      this.#outcomes.set(id, done.untold.has(id) ? 'left' : 'recorded');
    }
    return done;
  }

  async #end(stopped: Executed['stopped'], backlog: number): Promise<Drained> {
    const mainAnswered = stopped !== 'main is away' && stopped !== 'main is not sound';
    await this.#giveBack();
    if (mainAnswered) await this.#tellOfNoProgress();
    const left = this.#open.size;
    const isOutOfTime = stopped === 'no time';
    const isCounting = [...this.#open.keys()].some(
      (id) => (this.#failureHistory.suspects.get(id)?.failures ?? 0) > 0,
    );
    return {
      copies: this.#copies.map(({ id }) => this.#outcomes.get(id) ?? 'left'),
      mainAnswered,
      applied: this.#applied,
      waitsForStart: this.#waitsForStart,
      hasRetried: this.#hasRetried,
      backlog: backlog + (isOutOfTime ? left : 0),
      heldSeconds:
        !mainAnswered || left === 0 || isOutOfTime ? undefined : isCounting ? suspectSeconds : faultSeconds,
    };
  }

  /** Puts back what was not recorded, so that the next processor need not wait for the lease; Redis may have forgotten a copy. */
  async #giveBack(): Promise<void> {
    const { now, log } = this.#parts;
    try {
      for (const copy of this.#copies)
        if (this.#open.has(copy.id)) await restoreEntry(this.#parts, copy, now());
      await release(this.#parts, [...this.#open.values()]);
    } catch (error) {
      log.warn('redis did not take transactions back', { error });
    }
  }

  async #tellOfNoProgress(): Promise<void> {
    const { now, log } = this.#parts;
    const old = [...this.#open.values()].filter(({ stamp }) => stamp < (now() - oldMilliseconds) * 1000);
    const transactions = [...new Set([...this.#unexplained, ...old.map(({ id }) => id)])];
    if (transactions.length === 0) return;
    log.error('main answers, and has not recorded what it was given', {
      metric: 'NoProgress',
      count: transactions.length,
      transactions: transactions.slice(0, 20),
    });
    await this.#parts.redis.set(this.#parts.keys.noProgress, '1', { ex: 120 }).catch(() => undefined);
  }

  async #readFailureHistory(): Promise<FailureHistory> {
    const { log } = this.#parts;
    return readFailureHistory(this.#parts).catch((error: unknown) => {
      log.warn('redis did not say what has failed before', { error });
      return emptyFailureHistory;
    });
  }

  async #writeFailureHistory(before: FailureHistory): Promise<void> {
    const { log } = this.#parts;
    await writeFailureHistory(this.#parts, before, this.#failureHistory).catch((error: unknown) =>
      log.warn('redis does not remember what has failed', { error }),
    );
  }

  /** Claims what is to be executed. With Redis away the copies alone are executed: the inbox tells what is a repeat. */
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
      // as Redis has acknowledged it, which may differ from a copy that was made while Redis was silent
      const claimed = inState('claimed');
      const { transactions, unreadable } = await readBodies(this.#parts, [...claimed, ...claims.oldest]);
      const read = new Set(transactions.map(({ id }) => id));
      if (unreadable.length > 0) await keepBodies(this.#parts, unreadable);
      return {
        transactions: [...inState('unknown'), ...claimed.filter(({ id }) => !read.has(id)), ...transactions],
        backlog: claims.backlog,
        isMainUnreachable: claims.isMainUnreachable,
      };
    } catch (error) {
      log.warn('redis did not answer the claim', { error });
      return { transactions: copies, backlog: 0, isMainUnreachable: false };
    }
  }
}

const isRetry = ({ kind }: Step) => kind === 'retry';

interface Batch {
  readonly transactions: readonly Transaction[];
  readonly backlog: number;
  /** another processor looks for main: these are only to be remembered by Redis */
  readonly isMainUnreachable: boolean;
}

/** Rights that Redis may have forgotten, apart from the transactions that changed them. */
async function restore(parts: DrainParts, copies: readonly Transaction[]): Promise<void> {
  // a token is made before it is revoked
  const changes = copies.filter(hasNoFeed).sort((a, b) => a.stamp - b.stamp);
  try {
    for (const change of changes) {
      const isUnderstood = await restoreAccess(parts, change);
      if (!isUnderstood) parts.log.warn('a change of rights was not restored', { transaction: change.id });
    }
  } catch (error) {
    parts.log.warn('redis did not take rights back', { error });
  }
}
