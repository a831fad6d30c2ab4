/** Executes batches at main, attempt by attempt, and marks recorded transactions in Redis. */
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { mark } from '../../lib/buffer/mark.ts';
import type { FailureHistory } from '../../lib/buffer/suspects.ts';
import type { Log } from '../../lib/observability/log.ts';
import { applyTransactions, setAside, sqlStateOf, type Applied } from '../../lib/postgres/apply.ts';
import type { Pool } from '../../lib/postgres/connect.ts';
import type { InboxRow } from '../../lib/postgres/inbox.ts';
import { subjectOfFailure, type FailureSubject } from '../../lib/transaction/failure.ts';
import { traceOf, type Transaction } from '../../lib/transaction/transaction.ts';
import { failuresBeforeSetAside, halve, type Attempt, type Halved, type Result } from './halving.ts';
import type { Site } from '../../lib/redis/site.ts';

export interface ExecuteParts extends Site {
  readonly main: Pool;
  readonly startWaitSeconds: number;
  readonly now: () => number;
  readonly log: Log;
}

export interface Executed extends Pick<Halved, 'unexplained' | 'stopped'> {
  /** at main */
  readonly recorded: ReadonlySet<string>;
  /** recorded at main, but marking them in Redis failed */
  readonly unmarked: ReadonlySet<string>;
  readonly rows: readonly InboxRow[];
  /** no call at main failed */
  readonly allSucceeded: boolean;
  readonly failureHistory: FailureHistory;
}

/** A call gets 2.5 s, and half a second more for every 150 transactions. */
const minTimeoutMilliseconds = 2500;
const maxTimeoutMilliseconds = 7000;
/** Time of a call besides its statement: the round trip and the marking. */
const marginMilliseconds = 1500;
/** number of aggregates remembered per error: as many as prove a fault of main */
const rememberedAggregates = 3;

/** Transactions that one line of the log names. */
const loggedAtMost = 100;

/** @param deadline epoch ms by which the last call must have ended */
export async function execute(
  parts: ExecuteParts,
  batch: readonly Transaction[],
  failureHistory: FailureHistory,
  deadline: number,
): Promise<Executed> {
  const run = new Run(parts, failureHistory, deadline);
  // a call without transactions lets main apply waiting ones
  const halved =
    batch.length === 0 ? await run.callEmpty() : await run.drive(halve(batch, failureHistory.suspects));
  for (const { signature, shape, reason } of halved.faults) {
    parts.log.error('main is misconfigured or incompatible with this release', {
      metric: 'DeploymentFault',
      signature,
      shape,
      reason,
    });
  }
  const recorded = new Set([...halved.recorded, ...run.rows.map(({ id }) => id)]);
  return {
    ...{ recorded, unmarked: run.unmarked, rows: run.rows, allSucceeded: run.failed === 0 },
    ...{ unexplained: halved.unexplained, stopped: halved.stopped },
    failureHistory: failureHistoryAfter(failureHistory, halved, run.failures),
  };
}

class Run {
  readonly rows: InboxRow[] = [];
  readonly unmarked = new Set<string>();
  readonly failures: Map<string, readonly string[]>;
  failed = 0;
  readonly #parts: ExecuteParts;
  readonly #deadline: number;

  constructor(parts: ExecuteParts, { failures }: FailureHistory, deadline: number) {
    this.#parts = parts;
    this.#deadline = deadline;
    this.failures = new Map(failures);
  }

  async drive(plan: Generator<Attempt, Halved, Result>): Promise<Halved> {
    let step = plan.next();
    while (!step.done) step = plan.next(await this.#attempt(step.value));
    return step.value;
  }

  async callEmpty(): Promise<Halved> {
    const result = await this.#attempt({ kind: 'control' });
    const none = {
      recorded: new Set<string>(),
      suspects: new Map(),
      unexplained: [],
      timedOutSize: undefined,
    };
    if (result.kind !== 'failed') return { ...none, faults: [], stopped: undefined };
    const isFault = result.subject === 'deployment';
    return {
      ...none,
      faults: isFault ? [{ ...result, shape: 'any' }] : [],
      stopped: isFault ? 'main faulty' : 'main unreachable',
    };
  }

  async #attempt(attempt: Attempt): Promise<Result> {
    const { main, now, log } = this.#parts;
    const size = attempt.kind === 'apply' ? attempt.transactions.length : 1;
    const timeoutMilliseconds = timeoutOf(size);
    if (now() + timeoutMilliseconds + marginMilliseconds > this.#deadline) return { kind: 'out of time' };
    try {
      if (attempt.kind === 'set aside') {
        const { transaction, reason } = attempt;
        const why = `It failed ${failuresBeforeSetAside} times on its own: ${reason}`;
        log.error('a transaction was set aside', { metric: 'SetAside', ...traceOf(transaction), reason });
        const done = await setAside(main, transaction, why);
        return await this.#mark({ ...done, failures: [], succeeded: [], isPartial: false }, [transaction]);
      }
      const { startWaitSeconds } = this.#parts;
      const batch = attempt.kind === 'apply' ? attempt.transactions : [];
      const seen = Object.fromEntries(this.failures);
      return await this.#mark(
        await applyTransactions(main, batch, startWaitSeconds, { seen, timeoutMilliseconds }),
        batch,
      );
    } catch (error) {
      this.failed += 1;
      const failure = failureOf(error);
      const details = { attempt: attempt.kind, size, signature: failure.signature, error };
      if (failure.subject === 'connection')
        log.warn('main did not answer', { metric: 'MainUnreachable', ...details });
      else log.warn('a call at main failed', { metric: 'CallFailed', ...details });
      return failure;
    }
  }

  async #mark(done: Applied, batch: readonly Transaction[]): Promise<Result> {
    const { redis, keys, now, log } = this.#parts;
    this.rows.push(...done.rows);
    this.#remember(done);
    this.#logRecorded(done, batch);
    for (const failure of done.failures.filter(({ is_recorded }) => !is_recorded)) {
      log.error('the same failure in several aggregates without a success', {
        metric: 'DeploymentFault',
        ...failure,
      });
    }
    try {
      if (done.rows.length === 0) await redis.del(keys.mainDown);
      const { incomplete } = await mark(this.#parts, done.rows, done.lsn, now());
      // before a copy is deleted, its body must be in Redis, where reads find it until every replica has the row
      for (const each of batch.filter(({ id }) => incomplete.includes(id)))
        await restoreEntry(this.#parts, each, now());
    } catch (error) {
      // Main has committed. The sweeper resends pending transactions, but an entry that Redis has lost comes back only from its
      // copy, so the copies are kept.
      log.warn('marking a commit in redis failed', { metric: 'MarkFailed', error });
      for (const { id } of done.rows) this.unmarked.add(id);
    }
    return {
      kind: 'done',
      recorded: new Set(done.rows.map(({ id }) => id)),
      succeeded: done.succeeded,
      faulted: done.failures.filter(({ is_recorded }) => !is_recorded).map(({ aggregate }) => aggregate),
      isPartial: done.isPartial,
    };
  }

  #logRecorded({ rows }: Applied, batch: readonly Transaction[]): void {
    const recorded = new Set(rows.map(({ id }) => id));
    const transactions = batch.filter(({ id }) => recorded.has(id)).map(traceOf);
    if (transactions.length === 0) return;
    this.#parts.log.info('main has recorded transactions', {
      count: transactions.length,
      transactions: transactions.slice(0, loggedAtMost),
    });
  }

  #remember({ failures, succeeded }: Applied): void {
    for (const { signature, shape, aggregate } of failures) {
      if (succeeded.includes(shape)) continue;
      const known = new Set([...(this.failures.get(signature) ?? []), aggregate]);
      this.failures.set(signature, [...known].slice(0, rememberedAggregates));
    }
    for (const signature of this.failures.keys()) {
      if (succeeded.some((shape) => signature.endsWith(` in ${shape}`))) this.failures.delete(signature);
    }
  }
}

function timeoutOf(size: number): number {
  return Math.min(maxTimeoutMilliseconds, minTimeoutMilliseconds + 500 * Math.floor(size / 150));
}

function failureOf(error: unknown): Extract<Result, { kind: 'failed' }> {
  const code = sqlStateOf(error);
  const { message, constraint, table, column } = error as Error & Partial<Record<string, string>>;
  // a batch whose text exceeds the longest string is too large, whatever main would answer
  const subject: FailureSubject = error instanceof RangeError ? 'work' : subjectOfFailure(code);
  const signature = [code ?? 'no answer', constraint, table, column].filter(Boolean).join(' ');
  return { kind: 'failed', subject, signature, reason: `${message} (${code ?? 'no SQLSTATE'})` };
}

function failureHistoryAfter(
  before: FailureHistory,
  halved: Halved,
  failures: FailureHistory['failures'],
): FailureHistory {
  const suspects = new Map(before.suspects);
  for (const [id, suspect] of halved.suspects) {
    if (suspect) suspects.set(id, suspect);
    else suspects.delete(id);
  }
  const limits = [before.batchLimit, halved.timedOutSize && Math.max(1, Math.floor(halved.timedOutSize / 2))];
  const known = limits.filter((each) => each !== undefined);
  return { suspects, failures, batchLimit: known.length > 0 ? Math.min(...known) : undefined };
}
