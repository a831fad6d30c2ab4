/** The one door for writes: a transaction goes into the buffer and its copy into the queue, or it is refused. */
import {
  accept,
  withStamp,
  type AcceptRefusal,
  type AcceptRequest,
  type AcceptVerdict,
} from '../buffer/accept.ts';
import type { Log } from '../observability/log.ts';
import { transactionMessage } from '../queue/messages.ts';
import type { Queue } from '../queue/queue.ts';
import { redisFailure, type RedisFailure } from '../redis/failure.ts';
import type { Site } from '../redis/site.ts';
import { filledIn, type Transaction } from '../transaction/transaction.ts';

export interface SubmissionParts extends Site {
  readonly queue: Pick<Queue, 'send'>;
  readonly log: Log;
  readonly limits: {
    /** of one principal with a credential */
    readonly requestsPerSecond: number;
    readonly budgetBytes: number;
  };
  /** epoch ms */
  readonly now: () => number;
}

/** Why Redis did not take a transaction that nothing speaks against. */
export type Obstacle = RedisFailure | RedisIsUnable;

/** Redis is full, or has forgotten who may do what. */
type RedisIsUnable = 'full' | 'users_missing';

export interface Submission extends Omit<AcceptRequest, 'requestsPerSecond' | 'budgetBytes'> {
  /** obstacles despite which the queue alone may hold the transaction: somebody else than Redis knows that it may be made */
  readonly queueAloneIf?: readonly Obstacle[];
  /** until when the caller waits for SQS when Redis holds the transaction, epoch ms; default: as long as the client of SQS does */
  readonly answerBy?: number;
}

type Recorded = Exclude<AcceptVerdict, { refused: string }>;

/** Redis holds the transaction. */
export interface Accepted extends Recorded {
  readonly kind: 'accepted';
  /** with the stamp that it got */
  readonly transaction: Transaction;
  /** false: Redis alone holds it, and the sweeper sends the copy */
  readonly isQueued: boolean;
}

/** The same transaction, or one with the same effect, was accepted before. */
export interface Repeated extends Recorded {
  readonly kind: 'repeated';
}

/** The queue alone holds the transaction, and main will judge it. */
export interface QueuedOnly {
  readonly kind: 'queuedOnly';
  readonly obstacle: Obstacle;
  /** how many more requests of this second would be taken */
  readonly left?: number | undefined;
  /** columns that a clock of ours has filled in, and that stay open since the request may come again */
  readonly open: readonly string[];
}

type RedisRefusal = Exclude<AcceptRefusal, RedisIsUnable>;

export type RefusalCode =
  | RedisRefusal
  /** SQS would not take it; `detail` is its size in bytes */
  | 'too_large'
  /** Redis answered, and can take nothing at present: no store holds it */
  | 'no_room'
  /** no store has acknowledged it: it may or may not be recorded */
  | 'not_acknowledged';

export interface Refused {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly detail?: string | undefined;
  /** how many more requests of this second would be taken */
  readonly left?: number | undefined;
}

/** SQS takes 1 MiB a message, and Redis more. Numbers with exponents grow when they are written in full. */
export const maxMessageBytes = 1024 * 1024;

/**
 * Records a transaction: one call of Redis, then one of SQS. A key that stands for another request costs a second call of Redis.
 * @throws Error for a defect of the buffer (its answer cannot be read, a script fails), unless the queue may hold it alone
 */
export async function submit(
  parts: SubmissionParts,
  submission: Submission,
): Promise<Accepted | Repeated | QueuedOnly | Refused> {
  const { transaction } = submission;
  const bytes = Buffer.byteLength(transactionMessage(transaction));
  if (bytes > maxMessageBytes) return { kind: 'refused', code: 'too_large', detail: String(bytes) };
  const verdict = await buffer(parts, submission);
  if ('obstacle' in verdict) return pastObstacle(parts, submission, verdict);
  if ('refused' in verdict) {
    return { kind: 'refused', code: verdict.refused, detail: verdict.detail, left: verdict.left };
  }
  if (verdict.stamp === undefined) return { kind: 'repeated', ...verdict };
  const stamped = withStamp(transaction, verdict.stamp);
  const isQueued = await enqueue(parts, stamped, submission.answerBy);
  return { kind: 'accepted', ...verdict, transaction: stamped, isQueued };
}

interface Hindered {
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
): Promise<Recorded | RefusedByRedis | Hindered> {
  const judged = await accept(site, { ...submission, ...limits }).then(
    readVerdict,
    (error: unknown): Hindered => ({ obstacle: redisFailure(error), error }),
  );
  if ('obstacle' in judged) {
    const { obstacle, error } = judged;
    log.error('the buffer did not take a transaction', {
      metric: metricOf[obstacle],
      obstacle,
      transaction: submission.transaction.id,
      // the text of a defect may quote what was sent
      error: nameOf(error),
    });
  }
  return judged;
}

function readVerdict(verdict: AcceptVerdict): Recorded | RefusedByRedis | Hindered {
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
    log.warn('stored in redis alone', { metric: 'StoredInRedisAlone', transaction: transaction.id });
  return isQueued;
}

function after(milliseconds: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), Math.max(0, milliseconds)).unref());
}

async function pastObstacle(
  { queue, log }: SubmissionParts,
  { transaction, keyDigest, queueAloneIf = [] }: Submission,
  { obstacle, left, error }: Hindered,
): Promise<QueuedOnly | Refused> {
  if (!queueAloneIf.includes(obstacle)) {
    if (obstacle === 'defect') throw new Error('the buffer has a defect', { cause: nameOf(error) });
    const isAnswered = obstacle === 'full' || obstacle === 'users_missing';
    return { kind: 'refused', code: isAnswered ? 'no_room' : 'not_acknowledged', left };
  }
  // the request may come again as the same transaction, and by another clock: what that gives is left open
  const open = keyDigest === undefined ? [] : filledIn(transaction);
  try {
    await queue.send(transactionMessage({ ...transaction, ...(open.length > 0 && { provisional: true }) }));
  } catch {
    return { kind: 'refused', code: 'not_acknowledged' };
  }
  log.warn('stored in sqs alone', { metric: 'StoredInSqsAlone', transaction: transaction.id });
  return { kind: 'queuedOnly', obstacle, left, open };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
