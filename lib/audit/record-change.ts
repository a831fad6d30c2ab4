/**
 * Changes of tokens, users and sessions: each is a transaction with its audit event, so that it works while main is away
 * and cannot be made without leaving a trace.
 */
import { randomBytes } from 'node:crypto';
import { problem } from '../http/problem.ts';
import { orRedisUnavailable } from '../http/redis-unavailable.ts';
import type { Request } from '../http/request.ts';
import type { Claimant } from '../people/claimant.ts';
import type { Principal } from '../people/principal.ts';
import { problemOf, type Wording } from '../submission/problem-of.ts';
import { submit, type SubmissionParts } from '../submission/submit.ts';
import { TransactionBuilder } from '../transaction/builder.ts';
import { uuidV7 } from '../transaction/ids.ts';
import { saveRecentEvent, type AuditAction } from './audit-event.ts';

export type ChangeParts = SubmissionParts;

export interface Change {
  /** user id of who did it */
  readonly principal: string;
  /** id of the API token that they did it with */
  readonly withToken?: string;
  /** asked once more, in the step that records it: of a change that has no effect before it is recorded */
  readonly claimant?: Claimant;
  readonly action: AuditAction;
  /** what it was done to: the id of a token, user or session */
  readonly subject: string;
  readonly detail?: Readonly<Record<string, string | number | boolean | null>>;
  /** the row that changes, if one does */
  readonly aggregate?: string;
  /** µs: where the change stands among others of the row; default: when it was asked for */
  readonly stamp?: number;
  readonly build?: (builder: TransactionBuilder) => unknown;
  /** of a change that is made once, however often it is asked for: the id of its transaction, and what is remembered of it */
  readonly once?: { readonly id: string; readonly remembered: string };
}

export function doneBy({ id, tokenId }: Principal): Pick<Change, 'principal' | 'withToken'> {
  return { principal: id, ...(tokenId !== undefined && { withToken: tokenId }) };
}

/**
 * @returns what is remembered of it: of the first one, where the same change had been made before
 * @throws ProblemError after which main may not learn of it; what Redis has been told stands
 */
export async function recordChange(
  parts: ChangeParts,
  request: Pick<Request, 'receivedAt' | 'route'>,
  change: Change,
): Promise<string> {
  const { principal, action, subject, withToken } = change;
  const detail = { ...change.detail, ...(withToken !== undefined && { with_token: withToken }) };
  const { access, operation } = request.route;
  const claimant = change.claimant ?? { kind: 'none', principalId: principal };
  const { id, remembered } = change.once ?? { id: newId(request), remembered: '{}' };
  const at = new Date(request.receivedAt).toISOString();
  const event = { id: newId(request), at, principal, action, subject, detail };
  const heading = {
    id,
    stamp: change.stamp ?? request.receivedAt * 1000,
    aggregate: change.aggregate ?? id,
    principal,
    operation,
  };
  const builder = new TransactionBuilder(heading, () => newId(request));
  change.build?.(builder);
  builder.create('audit_event', { at, principal, action, subject, detail }, event.id);
  const submitted = await submit(parts, {
    claimant,
    permission: access === 'public' || access === 'any' ? '' : access,
    transaction: builder.build(),
    patch: remembered,
    status: 200,
    nowMilliseconds: request.receivedAt,
    // a full buffer keeps nobody from taking a right away
    queueAloneIf: ['full'],
  });
  if (submitted.kind === 'refused') throw problemOf(submitted, wording);
  if (submitted.kind === 'repeated') return submitted.patch;
  await inTime(saveRecentEvent(parts, event));
  return remembered;
}

const wording: Wording = {
  nothing: 'Nothing was recorded for main.',
  // what Redis has been told has its effect: what is missing is that main learns of it
  unknown: 'It could not be recorded for main. Please ask again.',
};

/** A UUIDv7 of the time of the request. */
export function newId({ receivedAt }: Pick<Request, 'receivedAt'>): string {
  return uuidV7(receivedAt, randomBytes(10));
}

/** @throws ProblemError 503 if Redis is away */
export async function inTime<T>(asked: Promise<T>): Promise<T> {
  return orRedisUnavailable(asked, () =>
    problem.unavailable('This change is not possible at the moment. Please try again later.', 2),
  );
}
