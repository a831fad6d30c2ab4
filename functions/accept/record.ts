/** Records a draft: buffer, then queue, then the answer; or, with Redis away, the queue alone. */
import * as z from 'zod/mini';
import {
  accept,
  withStamp,
  type AcceptRequest,
  type AcceptVerdict,
  type Claimant,
} from '../../lib/buffer/accept.ts';
import { problem, type ProblemError } from '../../lib/http/problem.ts';
import type { Reply, Request } from '../../lib/http/serve.ts';
import { tellRate } from '../../lib/http/tell-rate.ts';
import type { Draft } from '../../lib/observation/record-executed-obs-unit.ts';
import type { Sync } from '../../lib/observation/sync.ts';
import type { Log } from '../../lib/observability/log.ts';
import { transactionMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { Redis } from '../../lib/redis/client.ts';
import type { Keys } from '../../lib/redis/keys.ts';
import { lifecycle } from '../../lib/transaction/lifecycle.ts';
import { parseJson } from '../../lib/values/json.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import type { Identity } from './identify.ts';
import type { VerifiedTokens } from './verified-tokens.ts';

export interface RecordParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queue: Pick<Queue, 'send'>;
  readonly verifiedTokens: VerifiedTokens;
  readonly log: Log;
  /** the answer waits no longer than this for SQS, counted from the request; Infinity = as long as it takes */
  readonly answerBudgetMilliseconds: number;
  readonly budgetBytes: number;
  readonly requestsPerSecond: number;
}

/** @throws ProblemError for every refusal, after which nothing is written anywhere */
export async function record(
  parts: RecordParts,
  request: Request,
  claimant: Claimant,
  identity: Identity,
  draft: Draft,
): Promise<Reply> {
  const verdict = await buffer(parts, request, claimant, identity, draft);
  if (verdict === 'unreachable') return recordInQueueAlone(parts, request, claimant, identity, draft);
  if (verdict.left !== undefined) tellRate(request, parts.requestsPerSecond, verdict.left);
  if ('refused' in verdict && verdict.refused === 'full') {
    // there was no room, but the credential is good
    if (claimant.kind === 'api-token') parts.verifiedTokens.remember(claimant.hash, request.receivedAt);
    return recordInQueueAlone(parts, request, claimant, identity, draft);
  }
  if ('refused' in verdict) {
    const isWorthless = verdict.refused === 'unauthorized' || verdict.refused === 'forbidden';
    if (isWorthless && claimant.kind === 'api-token') parts.verifiedTokens.forget(claimant.hash);
    throw refusalOf(verdict);
  }

  if (claimant.kind === 'api-token') parts.verifiedTokens.remember(claimant.hash, request.receivedAt);
  const { status, base, patch, stamp, state } = verdict;
  const sync: Sync = {
    state: lifecycle[state ?? 'buffered'].sync,
    ...(status === 202 && { verified: false }),
  };
  if (stamp === undefined) {
    const body = answerOf(base || undefined, patch, sync);
    return verdict.replayed
      ? { status, body, headers: { ...location(draft), 'Idempotency-Replayed': 'true' } }
      : { status, body };
  }
  const queued = await enqueueWithinBudget(parts, request, withStamp(draft.transaction, stamp));
  return {
    status,
    headers: location(draft),
    body: answerOf(base || undefined, patch, queued ? sync : { ...sync, stored_in: 'redis' }),
  };
}

type Outcome = AcceptVerdict | 'unreachable';

async function buffer(
  { redis, keys, log, budgetBytes, requestsPerSecond }: RecordParts,
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
    requestsPerSecond,
    budgetBytes,
  };
  try {
    const verdict = await accept(redis, keys, accepting);
    const isUnable =
      'refused' in verdict && (verdict.refused === 'full' || verdict.refused === 'people_missing');
    if (isUnable) log.error(`redis cannot take it: ${verdict.refused}`, { metric: 'RedisCannotTake' });
    if (!('refused' in verdict) || verdict.refused !== 'people_missing') return verdict;
  } catch (error) {
    log.error('redis did not answer', {
      metric: 'RedisUnreachable',
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
    throw notRecorded(identity);
  }
  try {
    await parts.queue.send(transactionMessage(draft.transaction));
  } catch {
    throw notRecorded(identity);
  }
  parts.log.warn('stored in sqs alone', { metric: 'StoredInSqsAlone', transaction: draft.transaction.id });
  const unverified = draft.start === undefined;
  return {
    status: unverified ? 202 : draft.status,
    headers: location(draft),
    body: answerOf(undefined, draft.patch, {
      state: 'buffered',
      stored_in: 'sqs',
      ...(unverified && { verified: false }),
    }),
  };
}

function location(draft: Draft): Record<string, string> {
  return draft.start ? { Location: `/executed_obs_units/${draft.transaction.aggregate}` } : {};
}

const record_ = z.looseObject({ metadata: z._default(z.record(z.string(), z.unknown()), {}) });

/** What the answer says of the record: what the site knew of it, with this write laid over it. */
function answerOf(base: string | undefined, patch: string, sync: Sync): Record<string, unknown> {
  const before = record_.parse(parseJson(base ?? '{}'));
  const after = record_.parse(parseJson(patch));
  const { transaction_id, ...fields } = { ...before, ...after };
  return {
    id: fields.id,
    obs_unit_id: fields.obs_unit_id ?? null,
    status: fields.status,
    start_time: fields.start_time ?? null,
    end_time: fields.end_time ?? null,
    instrument_module_ids: fields.instrument_module_ids ?? [],
    metadata: { ...before.metadata, ...after.metadata },
    sync,
    transaction_id,
  };
}

function refusalOf(verdict: Extract<AcceptVerdict, { refused: string }>): ProblemError {
  const detail = verdict.detail ?? '';
  switch (verdict.refused) {
    case 'unauthorized':
      return problem.unauthorized(detail);
    case 'forbidden':
      return problem.forbidden('This credential does not permit it, or its owner may not do it any more.');
    case 'too_many':
      return problem.tooManyRequests('Too many requests. Nothing was recorded: repeat it a little later.', 1);
    case 'key_reused':
      return problem.unprocessable(
        'This Idempotency-Key stands for another request. Use a new key for a new request.',
      );
    case 'taken':
      return problem.conflict('This id belongs to a record that was started by another request.');
    case 'finished':
      return problem.conflict(`It had already ended as ${detail}, with other values.`);
    case 'before_start':
      return problem.badRequest(`It cannot end before it started, at ${detail}.`, { recorded: false });
    case 'refused_before':
      return problem.conflict(
        `The same request was refused before: ${detail}. Send what is right under another key, or with another body.`,
        { code: 'refused-before' },
      );
    case 'discarded_before':
      return problem.conflict(
        `An admin has discarded the same request: ${detail}. Send what is right under another key, or with another body.`,
        { code: 'discarded-before' },
      );
    case 'people_missing':
    case 'full':
      throw new Error('what Redis cannot take goes to the queue');
  }
}

function notRecorded(identity: Identity): ProblemError {
  const key = identity.keyDigest === undefined ? { transaction_id: identity.id } : {};
  return problem.unavailable(
    'No store answered. It is not known whether this was recorded: repeat it with the same Idempotency-Key.',
    2,
    { recorded: null, ...key },
  );
}
