/** Records a draft: buffer, then queue, then the answer; or, with Redis away, the queue alone. */
import {
  accept,
  withStamp,
  type AcceptRequest,
  type AcceptVerdict,
  type Claimant,
} from '../../lib/buffer/accept.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Reply, Request } from '../../lib/http/serve.ts';
import { tellRate } from '../../lib/http/tell-rate.ts';
import type { Draft } from '../../lib/observation/record-executed-obs-unit.ts';
import type { Sync } from '../../lib/observation/sync.ts';
import type { Log } from '../../lib/observability/log.ts';
import { transactionMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import { redisFailure } from '../../lib/redis/failure.ts';
import { lifecycle, type State, type SyncState } from '../../lib/transaction/lifecycle.ts';
import { filledIn, type Transaction } from '../../lib/transaction/transaction.ts';
import { instantOfMilliseconds, parseInstant, type Instant } from '../../lib/values/instant.ts';
import { answerOf } from './answer.ts';
import type { Identity } from './identify.ts';
import { notAcknowledged, refusalOf, type Refusal } from './refusals.ts';
import type { VerifiedTokens } from './verified-tokens.ts';
import type { Site } from '../../lib/redis/site.ts';

export interface RecordParts extends Site {
  readonly queue: Pick<Queue, 'send'>;
  readonly verifiedTokens: VerifiedTokens;
  readonly log: Log;
  /** the answer waits no longer than this for SQS, counted from the request; Infinity = as long as it takes */
  readonly answerBudgetMilliseconds: number;
  readonly budgetBytes: number;
  readonly requestsPerSecond: number;
}

/**
 * @param draftAt the draft of this request by a clock
 * @param now what that clock shows
 * @throws ProblemError for every refusal, after which nothing is written anywhere
 */
export async function record(
  parts: RecordParts,
  request: Request,
  claimant: Claimant,
  identity: Identity,
  draftAt: (now: Instant) => Draft,
  now = instantOfMilliseconds(request.receivedAt),
): Promise<Reply> {
  const draft = draftAt(now);
  requireRoom(draft.transaction);
  const verdict = await buffer(parts, request, claimant, identity, draft);
  if (verdict === 'unreachable') return recordInQueueAlone(parts, request, claimant, identity, draft);
  if (verdict.left !== undefined) tellRate(request, parts.requestsPerSecond, verdict.left);
  if (!('refused' in verdict)) return recorded(parts, request, claimant, draft, verdict);

  if (verdict.refused === 'before_start' && filledIn(draft.transaction).length > 0) {
    // the client that gave the start has a clock before ours
    const start = parseInstant(verdict.detail ?? '')?.instant ?? now;
    if (start > now) return record(parts, request, claimant, identity, draftAt, start);
  }
  if (verdict.refused === 'full') {
    // there was no room, but the credential is good
    remember(parts, request, claimant);
    return recordInQueueAlone(parts, request, claimant, identity, draft);
  }
  const isWorthless = verdict.refused === 'unauthorized' || verdict.refused === 'forbidden';
  if (isWorthless && claimant.kind === 'api-token') parts.verifiedTokens.forget(claimant.hash);
  throw refusalOf(verdict);
}

function remember({ verifiedTokens }: RecordParts, request: Request, claimant: Claimant): void {
  if (claimant.kind === 'api-token') verifiedTokens.remember(claimant.hash, request.receivedAt);
}

/** The answer to what Redis holds, now or since the first time. */
async function recorded(
  parts: RecordParts,
  request: Request,
  claimant: Claimant,
  draft: Draft,
  { status, base, patch, stamp, state, states, replayed }: Exclude<AcceptVerdict, Refusal>,
): Promise<Reply> {
  remember(parts, request, claimant);
  const fields = answerOf(base || undefined, patch);
  const isOpen = filledIn(draft.transaction).some((column) => fields[column] === null);
  const sync: Sync = {
    state: lifecycle[state ?? 'buffered'].sync,
    ...((status === 202 || isOpen) && { verified: false }),
  };
  if (stamp === undefined) {
    const headers = {
      ...(replayed && { ...location(draft), 'Idempotency-Replayed': 'true' }),
      ...(states && { 'Sync-State': leastAdvanced(states) }),
    };
    return { status, headers, body: { ...fields, sync } };
  }
  const queued = await enqueueWithinBudget(parts, request, withStamp(draft.transaction, stamp));
  return {
    status,
    headers: location(draft),
    body: { ...fields, sync: queued ? sync : { ...sync, stored_in: 'redis' } },
  };
}

/** Where a record is whose transactions are there. */
function leastAdvanced(states: readonly State[]): SyncState {
  const [least = 'replicated'] = [...states].sort((a, b) => lifecycle[a].advance - lifecycle[b].advance);
  return lifecycle[least].sync;
}

/** SQS takes 1 MiB a message, and Redis more. Numbers with exponents grow when they are written in full. */
const maxMessageBytes = 1024 * 1024;

/** @throws ProblemError 413 */
function requireRoom(transaction: Transaction): void {
  const bytes = Buffer.byteLength(transactionMessage(transaction));
  if (bytes <= maxMessageBytes) return;
  throw problem.tooLarge(
    `With its numbers written in full this request has ${bytes} bytes, and at most ${maxMessageBytes} can be stored. Nothing was recorded. Send less at a time.`,
  );
}

const metricOfFailure = {
  unreachable: 'RedisUnreachable',
  unable: 'RedisCannotTake',
  defect: 'BufferDefect',
} as const;

type Outcome = AcceptVerdict | 'unreachable';

async function buffer(
  parts: RecordParts,
  request: Request,
  claimant: Claimant,
  identity: Identity,
  draft: Draft,
): Promise<Outcome> {
  const accepting: AcceptRequest = {
    claimant,
    permission: request.route.access,
    ...draft,
    ...(identity.keyDigest !== undefined && { keyDigest: identity.keyDigest }),
    nowMilliseconds: request.receivedAt,
    requestsPerSecond: parts.requestsPerSecond,
    budgetBytes: parts.budgetBytes,
  };
  try {
    const verdict = await accept(parts, accepting);
    const isUnable =
      'refused' in verdict && (verdict.refused === 'full' || verdict.refused === 'people_missing');
    if (isUnable) parts.log.error(`redis cannot take it: ${verdict.refused}`, { metric: 'RedisCannotTake' });
    if (!('refused' in verdict) || verdict.refused !== 'people_missing') return verdict;
  } catch (error) {
    const metric = metricOfFailure[redisFailure(error)];
    // the text of a defect may quote what was sent
    parts.log.error('the buffer did not take a write: it goes to the queue alone', {
      metric,
      error: error instanceof Error ? error.name : '',
    });
  }
  return 'unreachable';
}

/** @returns whether SQS has taken the copy in time; if not, the sweeper sends it again */
async function enqueueWithinBudget(
  parts: RecordParts,
  request: Request,
  transaction: Transaction,
): Promise<boolean> {
  const sent = parts.queue.send(transactionMessage(transaction)).then(
    () => true,
    () => false,
  );
  const left = request.receivedAt + parts.answerBudgetMilliseconds - Date.now();
  const queued = left === Infinity ? await sent : await Promise.race([sent, after(left)]);
  if (!queued)
    parts.log.warn('stored in redis alone', { metric: 'StoredInRedisAlone', transaction: transaction.id });
  return queued;
}

function after(milliseconds: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), Math.max(0, milliseconds)).unref());
}

async function recordInQueueAlone(
  parts: RecordParts,
  request: Request,
  claimant: Claimant,
  identity: Identity,
  draft: Draft,
): Promise<Reply> {
  if (claimant.kind === 'api-token' && !parts.verifiedTokens.knows(claimant.hash, request.receivedAt)) {
    throw notAcknowledged(identity);
  }
  // the request may come again as the same transaction, and by another clock: what that gives is left open
  const open = identity.keyDigest === undefined ? [] : filledIn(draft.transaction);
  const transaction: Transaction = { ...draft.transaction, ...(open.length > 0 && { provisional: true }) };
  try {
    await parts.queue.send(transactionMessage(transaction));
  } catch {
    throw notAcknowledged(identity);
  }
  parts.log.warn('stored in sqs alone', { metric: 'StoredInSqsAlone', transaction: transaction.id });
  const isFinish = draft.start === undefined;
  const sync: Sync = {
    state: 'buffered',
    stored_in: 'sqs',
    ...((isFinish || open.length > 0) && { verified: false }),
  };
  return {
    status: isFinish ? 202 : draft.status,
    headers: location(draft),
    body: { ...answerOf(undefined, draft.patch, open), sync },
  };
}

function location(draft: Draft): Record<string, string> {
  return draft.start ? { Location: `/executed_obs_units/${draft.transaction.aggregate}` } : {};
}
