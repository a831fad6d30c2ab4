/** Submits to main the changes of tokens that only Redis has: usage counts, and revocations that were never recorded. */
import { saveRecentEvent, type AuditEvent } from '../../lib/audit/audit-event.ts';
import type { KnownToken, StoredToken } from '../../lib/tokens/token-store.ts';
import type { Log } from '../../lib/observability/log.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import { submit } from '../../lib/submission/submit.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import type { Site } from '../../lib/redis/site.ts';

const everySeconds = 3600;

interface Parts extends Site {
  readonly transactions: Pick<Queue, 'sendAll'>;
  readonly log: Log;
  readonly budgetBytes: number;
}

/** Records usage once an hour at most, never per request. @returns the number of tokens recorded */
export async function recordUsage(
  parts: Parts,
  tokens: readonly KnownToken[],
  nowMilliseconds: number,
): Promise<number> {
  const used = tokens.filter(({ now, uses }) => now.uses > uses);
  if (used.length === 0) return 0;
  const isTime = await parts.redis.set(parts.keys.usageRecorded, '1', { ex: everySeconds, nx: true });
  if (isTime === null) return 0;
  return record(
    parts,
    used.map((token) => ({
      token,
      operation: 'recordUsage',
      id: derivedUuid('usage', token.id, String(token.now.uses)),
      values: { usage_count: token.now.uses, last_used_at: isoTime(token.now.usedAt) },
    })),
    nowMilliseconds,
  );
}

/** Records revocations that no pending transaction will record. @returns the number of tokens recorded */
export async function recordEnds(
  parts: Parts,
  tokens: readonly KnownToken[],
  nowMilliseconds: number,
): Promise<number> {
  const ended = tokens.filter(({ now, revoked }) => now.revoked && !revoked);
  const unrecorded: KnownToken[] = [];
  for (const token of ended) if (await isUnrecorded(parts, token, nowMilliseconds)) unrecorded.push(token);
  const at = new Date(nowMilliseconds).toISOString();
  return record(
    parts,
    unrecorded.map((token) => ({
      token,
      operation: 'revokeToken',
      id: derivedUuid('revocation', token.id),
      values: { revoked_at: at },
      event: {
        id: derivedUuid('event', 'revocation', token.id),
        at,
        principal: token.principal,
        action: 'token.revoked',
        subject: token.id,
        detail: { name: token.name, owner: token.principal, recorded_by: 'sweep' },
      },
    })),
    nowMilliseconds,
  );
}

/** Time for a copy that exists only in the queue to be processed, once main is reachable. */
const copiesMilliseconds = 120_000;

async function isUnrecorded({ redis, keys }: Parts, { id }: KnownToken, now: number): Promise<boolean> {
  const since = keys.unrecordedSince(id);
  const [isPending, isMainDown] = await Promise.all([
    redis.exists(keys.overlay(id)),
    redis.exists(keys.mainDown),
  ]);
  if (isPending + isMainDown > 0) {
    await redis.del(since);
    return false;
  }
  await redis.set(since, String(now), { nx: true, ex: 3600 });
  return now - Number((await redis.get<string>(since)) ?? now) >= copiesMilliseconds;
}

interface TokenChange {
  readonly token: StoredToken;
  readonly operation: string;
  /** of the transaction: the same for the same change */
  readonly id: string;
  readonly values: Readonly<Record<string, string | number | null>>;
  readonly event?: AuditEvent;
}

async function record(
  parts: Parts,
  changes: readonly TokenChange[],
  nowMilliseconds: number,
): Promise<number> {
  const { transactions, budgetBytes, ...site } = parts;
  const messages: string[] = [];
  // SQS bills a batch of ten as one request
  const queue = { send: async (message: string) => void messages.push(message) };
  const submitting = {
    ...site,
    queue,
    limits: { requestsPerSecond: 0, budgetBytes },
    now: () => nowMilliseconds,
  };
  let recorded = 0;
  for (const { token, operation, id, values, event } of changes) {
    const { principal } = token;
    const heading = { id, stamp: nowMilliseconds * 1000, aggregate: token.id, principal, operation };
    const builder = new TransactionBuilder(heading, () => id);
    builder.update('api_token', token.id, values);
    if (event) {
      const { id: eventId, ...rest } = event;
      builder.create('audit_event', rest, eventId);
    }
    const submitted = await submit(submitting, {
      claimant: { kind: 'none', principalId: principal },
      permission: '',
      transaction: builder.build(),
      patch: '{}',
      status: 200,
      nowMilliseconds,
    });
    // the next sweep retries
    if (submitted.kind === 'refused' && submitted.code === 'not_acknowledged') break;
    if (submitted.kind !== 'accepted') continue;
    recorded += 1;
    if (event) await saveRecentEvent(site, event);
  }
  await transactions.sendAll(messages);
  return recorded;
}

function isoTime(milliseconds: number | undefined): string | null {
  return milliseconds === undefined ? null : new Date(milliseconds).toISOString();
}
