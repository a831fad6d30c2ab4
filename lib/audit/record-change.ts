/**
 * Changes of tokens, users and sessions: each is a transaction with its audit event, so that it works while main is away
 * and cannot be made without leaving a trace.
 */
import { randomBytes } from 'node:crypto';
import { accept, withStamp, type Claimant } from '../buffer/accept.ts';
import { problem, ProblemError } from '../http/problem.ts';
import type { Request } from '../http/serve.ts';
import { transactionMessage } from '../queue/messages.ts';
import type { Queue } from '../queue/queue.ts';
import type { Principal } from '../people/principal.ts';
import { TransactionBuilder } from '../transaction/builder.ts';
import { uuidV7 } from '../transaction/ids.ts';
import { noteAuditEvent, type AuditAction } from './audit-event.ts';
import type { Site } from '../redis/site.ts';

export interface ChangeParts extends Site {
  readonly queue: Pick<Queue, 'send'>;
  readonly limits: { readonly requestsPerSecond: number; readonly budgetBytes: number };
}

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
  const transaction = builder.build();
  const verdict = await inTime(
    accept(parts, {
      claimant,
      permission: access === 'public' || access === 'any' ? '' : access,
      transaction,
      patch: remembered,
      status: 200,
      nowMilliseconds: request.receivedAt,
      ...parts.limits,
    }),
  );
  if ('refused' in verdict) {
    if (verdict.refused === 'too_many') throw problem.tooManyRequests('Too many requests.', 1);
    if (verdict.refused === 'unauthorized') throw problem.unauthorized(verdict.detail ?? '');
    if (verdict.refused === 'forbidden') throw problem.forbidden(`This needs the permission ${access}.`);
    // a full buffer keeps nobody from taking a right away
    if (verdict.refused !== 'full') throw notForMain();
    await parts.queue.send(transactionMessage(transaction)).catch((error: unknown) => {
      throw notForMain().because(error);
    });
  }
  if ('replayed' in verdict && verdict.replayed) return verdict.patch;
  await inTime(noteAuditEvent(parts, event));
  // without the message the sweeper sends it again
  if (!('refused' in verdict) && verdict.stamp !== undefined) {
    await parts.queue.send(transactionMessage(withStamp(transaction, verdict.stamp))).catch(() => undefined);
  }
  return remembered;
}

/** What Redis has been told has its effect: what is missing is that main learns of it. */
function notForMain() {
  return problem.unavailable('It could not be recorded for main. Please ask again.', 2);
}

/** A UUIDv7 of the time of the request. */
export function newId({ receivedAt }: Pick<Request, 'receivedAt'>): string {
  return uuidV7(receivedAt, randomBytes(10));
}

/** @throws ProblemError 503 instead of what the client of Redis throws */
export async function inTime<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    throw problem.unavailable('That cannot be changed at the moment. Please ask again.', 2).because(error);
  }
}
