/** Records a draft and answers with the record as the site knows it. */
import type { Request } from '../../lib/http/request.ts';
import { setRateHeaders } from '../../lib/http/rate-headers.ts';
import type { Draft } from '../../lib/observation/record-executed-obs-unit.ts';
import type { WrittenUnit } from '../../lib/observation/operations.ts';
import type { Sync } from '../../lib/observation/sync.ts';
import type { Claimant } from '../../lib/people/claimant.ts';
import { problemOf } from '../../lib/submission/problem-of.ts';
import {
  submit,
  type Accepted,
  type Obstacle,
  type QueuedOnly,
  type Refused,
  type Repeated,
  type SubmissionParts,
} from '../../lib/submission/submit.ts';
import { lifecycle, type State, type SyncState } from '../../lib/transaction/lifecycle.ts';
import { filledColumns } from '../../lib/transaction/transaction.ts';
import { instantOfMilliseconds, parseInstant, type Instant } from '../../lib/values/instant.ts';
import { answerOf } from './answer.ts';
import type { Identity } from './identify.ts';
import type { VerifiedTokens } from './verified-tokens.ts';
import { wordingOf } from './wording.ts';

export interface RecordParts extends SubmissionParts {
  readonly verifiedTokens: VerifiedTokens;
  /** longest wait for SQS, counted from the request; may be Infinity */
  readonly answerBudgetMilliseconds: number;
}

/** The answer to a write that has been recorded, now or before. */
export interface Recorded {
  /** 202 if the site does not know the record */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: WrittenUnit;
}

/**
 * @param draftAt makes the draft of this request at a given time
 * @throws ProblemError for every refusal; a refused write is stored nowhere
 */
export async function record(
  parts: RecordParts,
  request: Request,
  claimant: Claimant,
  identity: Identity,
  draftAt: (now: Instant) => Draft,
  now = instantOfMilliseconds(request.receivedAt),
): Promise<Recorded> {
  const draft = draftAt(now);
  const submitted = await submit(parts, {
    claimant,
    permission: request.route.access,
    ...draft,
    ...(identity.keyDigest !== undefined && { keyDigest: identity.keyDigest }),
    nowMilliseconds: request.receivedAt,
    queueAloneIf: obstaclesPassed(parts, request, claimant),
    answerBy: request.receivedAt + parts.answerBudgetMilliseconds,
  });
  updateVerifiedTokens(parts, request, claimant, submitted);
  if (submitted.left !== undefined) setRateHeaders(request, parts.limits.requestsPerSecond, submitted.left);
  if (submitted.kind === 'queuedOnly') return queuedOnly(draft, submitted);
  if (submitted.kind === 'accepted') return accepted(draft, submitted);
  if (submitted.kind === 'repeated') return repeated(draft, submitted);
  if (submitted.code === 'before_start' && filledColumns(draft.transaction).length > 0) {
    // the client's clock, which gave the start, is ahead of ours: finish at the start
    const start = parseInstant(submitted.detail ?? '')?.instant ?? now;
    if (start > now) return record(parts, request, claimant, identity, draftAt, start);
  }
  throw problemOf(submitted, wordingOf(identity));
}

const everyObstacle: readonly Obstacle[] = ['unreachable', 'unable', 'defect', 'users_missing', 'full'];

/**
 * Obstacles despite which the queue alone may take the write. A session is verified by its signature, a token if this instance has
 * verified it recently. A full Redis has verified either.
 */
function obstaclesPassed(
  { verifiedTokens }: RecordParts,
  { receivedAt }: Request,
  claimant: Claimant,
): readonly Obstacle[] {
  const isVerified = claimant.kind !== 'api-token' || verifiedTokens.knows(claimant.hash, receivedAt);
  return isVerified ? everyObstacle : ['full'];
}

/** Remembers or forgets the token, depending on the outcome. */
function updateVerifiedTokens(
  { verifiedTokens }: RecordParts,
  { receivedAt }: Request,
  claimant: Claimant,
  submitted: Accepted | Repeated | QueuedOnly | Refused,
): void {
  if (claimant.kind !== 'api-token') return;
  if (submitted.kind === 'refused') {
    const isInvalid = submitted.code === 'unauthorized' || submitted.code === 'forbidden';
    if (isInvalid) verifiedTokens.forget(claimant.hash);
  } else if (submitted.kind !== 'queuedOnly' || submitted.obstacle === 'full') {
    verifiedTokens.remember(claimant.hash, receivedAt);
  }
}

function accepted(draft: Draft, submitted: Accepted): Recorded {
  const { fields, sync } = shown(draft, submitted);
  return {
    status: submitted.status,
    headers: location(draft),
    body: { ...fields, sync: submitted.isQueued ? sync : { ...sync, stored_in: 'redis' } },
  };
}

function repeated(draft: Draft, submitted: Repeated): Recorded {
  const { status, states, replayed } = submitted;
  const { fields, sync } = shown(draft, submitted);
  const headers = {
    ...(replayed && { ...location(draft), 'Idempotency-Replayed': 'true' }),
    ...(states && { 'Sync-State': leastAdvanced(states) }),
  };
  return { status, headers, body: { ...fields, sync } };
}

/** The record in the answer to a write that Redis holds, from this request or an earlier one. */
function shown(draft: Draft, { status, base, patch, state }: Accepted | Repeated) {
  const fields = answerOf(base || undefined, patch);
  const filled = filledColumns(draft.transaction);
  const isOpen = Object.entries(fields).some(([column, value]) => value === null && filled.includes(column));
  const sync: Sync = {
    state: lifecycle[state ?? 'buffered'].sync,
    ...((status === 202 || isOpen) && { verified: false }),
  };
  return { fields, sync };
}

function queuedOnly(draft: Draft, { open }: QueuedOnly): Recorded {
  const isChange = draft.location === undefined;
  const sync: Sync = {
    state: 'buffered',
    stored_in: 'sqs',
    ...((isChange || open.length > 0) && { verified: false }),
  };
  return {
    status: isChange ? 202 : draft.status,
    headers: location(draft),
    body: { ...answerOf(undefined, draft.patch, open), sync },
  };
}

/** The state of a record whose transactions have these states. */
function leastAdvanced(states: readonly State[]): SyncState {
  const [least = 'replicated'] = [...states].sort((a, b) => lifecycle[a].advance - lifecycle[b].advance);
  return lifecycle[least].sync;
}

function location(draft: Draft): Record<string, string> {
  return draft.location === undefined ? {} : { Location: draft.location };
}
