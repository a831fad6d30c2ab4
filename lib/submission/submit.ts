/** Submits a transaction to the buffer and its copy to the queue, or refuses it. Every write goes through here. */
import {
  accept,
  withStamp,
  type AcceptRefusal,
  type AcceptRequest,
  type AcceptVerdict,
} from '../buffer/accept.ts';
import { currentIds } from '../observability/ids.ts';
import type { Log } from '../observability/log.ts';
import { transactionMessage } from '../queue/messages.ts';
import type { Queue } from '../queue/queue.ts';
import { redisFailure, type RedisFailure } from '../redis/failure.ts';
import type { Site } from '../redis/site.ts';
import { filledColumns, type Transaction } from '../transaction/transaction.ts';

export interface SubmissionParts extends Site {
  readonly queue: Pick<Queue, 'send'>;
  readonly log: Log;
  readonly limits: {
    /** per token or user */
    readonly requestsPerSecond: number;
    readonly budgetBytes: number;
  };
  /** epoch ms */
  readonly now: () => number;
}

/** Reasons why Redis did not take a valid transaction. */
export type Obstacle = RedisFailure | RedisIsUnable;

/** Redis is full, or has lost users and tokens. */
type RedisIsUnable = 'full' | 'users_missing';

export interface Submission extends Omit<AcceptRequest, 'requestsPerSecond' | 'budgetBytes'> {
  /** obstacles despite which the queue alone may take the transaction, because it is authorized without Redis */
  readonly queueAloneIf?: readonly Obstacle[];
  /** if Redis holds the transaction, epoch ms until which the caller waits for SQS; default: until the SQS client times out */
  readonly answerBy?: number;
}

type Recorded = Exclude<AcceptVerdict, { refused: string }>;

/** Redis holds the transaction. */
export interface Accepted extends Recorded {
  readonly kind: 'accepted';
  /** with its assigned stamp */
  readonly transaction: Transaction;
  /** false if only Redis holds it: the sweeper will send the copy */
  readonly isQueued: boolean;
}

/** The same transaction, or one with the same effect, was accepted before. */
export interface Repeated extends Recorded {
  readonly kind: 'repeated';
}

/** Only the queue holds the transaction, and main will judge it. */
export interface QueuedOnly {
  readonly kind: 'queuedOnly';
  readonly obstacle: Obstacle;
  /** further requests that the rate limit allows in this second */
  readonly left?: number | undefined;
  /** columns filled from our clock; not final, because a repeat of the request may be recorded instead */
  readonly open: readonly string[];
}

type RedisRefusal = Exclude<AcceptRefusal, RedisIsUnable>;

export type RefusalCode =
  | RedisRefusal
  /** too large for SQS; `detail` is the size in bytes */
  | 'too_large'
  /** Redis answered but temporarily takes no writes: no store holds the transaction */
  | 'no_room'
  /** no store has acknowledged the transaction: it may or may not be recorded */
  | 'not_acknowledged';

export interface Refused {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly detail?: string | undefined;
  /** further requests that the rate limit allows in this second */
  readonly left?: number | undefined;
}

/** Limit of SQS, below that of Redis. Checked after expanding numbers with exponents. */
export const maxMessageBytes = 1024 * 1024;

/**
 * Records a transaction with one call of Redis and one of SQS. A reused key costs a second call of Redis.
 * @throws Error for a defect of the buffer (invalid answer, failing script), unless the queue alone may take the transaction
 */
export async function submit(
  parts: SubmissionParts,
  given: Submission,
): Promise<Accepted | Repeated | QueuedOnly | Refused> {
  const transaction = withRequestId(given.transaction);
  const submission = { ...given, transaction };
  const bytes = Buffer.byteLength(transactionMessage(transaction));
  if (bytes > maxMessageBytes) return { kind: 'refused', code: 'too_large', detail: String(bytes) };
  const verdict = await buffer(parts, submission);
  if ('obstacle' in verdict) return enqueueAlone(parts, submission, verdict);
  if ('refused' in verdict) {
    return { kind: 'refused', code: verdict.refused, detail: verdict.detail, left: verdict.left };
  }
  if (verdict.stamp === undefined) return { kind: 'repeated', ...verdict };
  const stamped = withStamp(transaction, verdict.stamp);
  const isQueued = await enqueue(parts, stamped, submission.answerBy);
  return { kind: 'accepted', ...verdict, transaction: stamped, isQueued };
}

/** With the request that brings it, so that the log of every function names it. It is not part of its identity. */
function withRequestId(transaction: Transaction): Transaction {
  const requestId = currentIds()?.request_id;
  return requestId === undefined ? transaction : { ...transaction, request_id: requestId };
}

interface Obstructed {
  readonly obstacle: Obstacle;
  readonly left?: number | undefined;
  readonly error?: unknown;
}
interface RefusedByRedis {
  readonly refused: RedisRefusal;
  readonly detail?: string | undefined;
  readonly left?: number | undefined;
}

const metricOf = {
  unreachable: 'RedisUnreachable',
  unable: 'RedisCannotTake',
  full: 'RedisCannotTake',
  users_missing: 'RedisCannotTake',
  defect: 'BufferDefect',
} as const satisfies Record<Obstacle, string>;

async function buffer(
  { log, limits, ...site }: SubmissionParts,
  submission: Submission,
): Promise<Recorded | RefusedByRedis | Obstructed> {
  const judged = await accept(site, { ...submission, ...limits }).then(
    readVerdict,
    (error: unknown): Obstructed => ({ obstacle: redisFailure(error), error }),
  );
  if ('obstacle' in judged) {
    const { obstacle, error } = judged;
    log.error('the buffer did not take a transaction', {
      metric: metricOf[obstacle],
      obstacle,
      transaction: submission.transaction.id,
      // only the name: the message of a defect may quote the request
      error: nameOf(error),
    });
  }
  return judged;
}

function readVerdict(verdict: AcceptVerdict): Recorded | RefusedByRedis | Obstructed {
  if (!('refused' in verdict)) return verdict;
  const { refused, detail, left } = verdict;
  return refused === 'full' || refused === 'users_missing'
    ? { obstacle: refused, left }
    : { refused, detail, left };
}

/** @returns whether SQS has taken the copy in time */
async function enqueue(
  { queue, log, now }: SubmissionParts,
  transaction: Transaction,
  answerBy = Infinity,
): Promise<boolean> {
  const sent = queue.send(transactionMessage(transaction)).then(
    () => true,
    () => false,
  );
  const isQueued = await (answerBy === Infinity ? sent : Promise.race([sent, after(answerBy - now())]));
  if (!isQueued)
    log.warn('stored only in redis', { metric: 'StoredInRedisAlone', transaction: transaction.id });
  return isQueued;
}

function after(milliseconds: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), Math.max(0, milliseconds)).unref());
}

async function enqueueAlone(
  { queue, log }: SubmissionParts,
  { transaction, keyDigest, queueAloneIf = [] }: Submission,
  { obstacle, left, error }: Obstructed,
): Promise<QueuedOnly | Refused> {
  if (!queueAloneIf.includes(obstacle)) {
    if (obstacle === 'defect') throw new Error('the buffer has a defect', { cause: nameOf(error) });
    const isAnswered = obstacle === 'full' || obstacle === 'users_missing';
    return { kind: 'refused', code: isAnswered ? 'no_room' : 'not_acknowledged', left };
  }
  // a repeat of the request is the same transaction but has another clock, so columns filled from the clock are not final
  const open = keyDigest === undefined ? [] : filledColumns(transaction);
  try {
    await queue.send(transactionMessage({ ...transaction, ...(open.length > 0 && { provisional: true }) }));
  } catch {
    return { kind: 'refused', code: 'not_acknowledged' };
  }
  log.warn('stored only in sqs', { metric: 'StoredInSqsAlone', transaction: transaction.id });
  return { kind: 'queuedOnly', obstacle, left, open };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
