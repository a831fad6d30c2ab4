/**
 * Changes of tokens, users and sessions. Each is a transaction with its audit event, so that it works while main is unreachable and is
 * always audited.
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
  /** user id of the acting user */
  readonly principal: string;
  /** id of the API token that the user used */
  readonly withToken?: string;
  /** credential that is checked again when the change is recorded; for changes without effect until then */
  readonly claimant?: Claimant;
  readonly action: AuditAction;
  /** id of the affected token, user or session */
  readonly subject: string;
  readonly detail?: Readonly<Record<string, string | number | boolean | null>>;
  /** id of the changed row, if any */
  readonly aggregate?: string;
  /** µs: order among changes of the row; default: when the request was received */
  readonly stamp?: number;
  readonly build?: (builder: TransactionBuilder) => unknown;
  /** for a change that takes effect once even if the request is repeated: its transaction id, and a text to store with it */
  readonly once?: { readonly id: string; readonly remembered: string };
}

export function doneBy({ id, tokenId }: Principal): Pick<Change, 'principal' | 'withToken'> {
  return { principal: id, ...(tokenId !== undefined && { withToken: tokenId }) };
}

/**
 * @returns the text stored with the change, by the first request if it is a repeat
 * @throws ProblemError if main may never get the change; a change already made in Redis remains in effect
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
    // a full buffer must not prevent revocations
    queueAloneIf: ['full'],
  });
  if (submitted.kind === 'refused') throw problemOf(submitted, wording);
  if (submitted.kind === 'repeated') return submitted.patch;
  await inTime(saveRecentEvent(parts, event));
  return remembered;
}

const wording: Wording = {
  // the change is already in effect in Redis: only its recording at main has failed
  nothing: 'The change was not recorded for the main database.',
  unknown: 'The change could not be recorded for the main database. Please try again.',
};

/** A UUIDv7 of the time of the request. */
export function newId({ receivedAt }: Pick<Request, 'receivedAt'>): string {
  return uuidV7(receivedAt, randomBytes(10));
}

/** @throws ProblemError 503 if Redis is unavailable */
export async function inTime<T>(call: Promise<T>): Promise<T> {
  return orRedisUnavailable(call, () =>
    problem.unavailable('This change is not possible at the moment. Please try again later.', 2),
  );
}
