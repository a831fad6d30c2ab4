/** Brings to main what Redis alone knows of tokens: how often they were used, and an end of which main was never told. */
import type { AuditAction } from '../../lib/auth/audit.ts';
import type { KnownToken, StoredToken } from '../../lib/auth/token-store.ts';
import { accept, withStamp } from '../../lib/buffer/accept.ts';
import { transactionMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { Redis } from '../../lib/redis/client.ts';
import type { Keys } from '../../lib/redis/keys.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';

const everySeconds = 3600;

interface Parts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly transactions: Pick<Queue, 'sendAll'>;
  readonly budgetBytes: number;
}

/** At most once an hour, never a write per request. @returns how many were recorded */
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

/** Those that nobody is about to tell main of. @returns how many were recorded */
export async function recordEnds(
  parts: Parts,
  tokens: readonly KnownToken[],
  nowMilliseconds: number,
): Promise<number> {
  const ended = tokens.filter(({ now, revoked }) => now.revoked && !revoked);
  const untold = await Promise.all(
    ended.map(async (token) =>
      (await parts.redis.exists(parts.keys.overlay(token.id))) === 0 ? [token] : [],
    ),
  );
  return record(
    parts,
    untold.flat().map((token) => ({
      token,
      operation: 'revokeToken',
      id: derivedUuid('revocation', token.id),
      values: { revoked_at: isoTime(nowMilliseconds) },
      event: {
        at: isoTime(nowMilliseconds),
        principal: token.principal,
        action: 'token.revoked' satisfies AuditAction,
        subject: token.id,
        detail: { name: token.name, owner: token.principal, recorded_by: 'sweep' },
      },
    })),
    nowMilliseconds,
  );
}

interface Told {
  readonly token: StoredToken;
  readonly operation: string;
  /** of the transaction: the same for the same news */
  readonly id: string;
  readonly values: Readonly<Record<string, string | number | null>>;
  /** of the audit */
  readonly event?: Parameters<TransactionBuilder['create']>[1];
}

async function record(
  { redis, keys, transactions, budgetBytes }: Parts,
  news: readonly Told[],
  nowMilliseconds: number,
): Promise<number> {
  const messages: string[] = [];
  for (const { token, operation, id, values, event } of news) {
    const { principal } = token;
    const heading = { id, stamp: nowMilliseconds * 1000, aggregate: token.id, principal, operation };
    const builder = new TransactionBuilder(heading, () => derivedUuid('event', id));
    builder.update('api_token', token.id, values);
    if (event) builder.create('audit_event', event);
    const transaction = builder.build();
    const verdict = await accept(redis, keys, {
      claimant: { kind: 'none', principalId: principal },
      permission: '',
      transaction,
      patch: '{}',
      status: 200,
      nowMilliseconds,
      requestsPerSecond: 0,
      budgetBytes,
    });
    if ('accepted' in verdict && verdict.stamp !== undefined) {
      messages.push(transactionMessage(withStamp(transaction, verdict.stamp)));
    }
  }
  await transactions.sendAll(messages);
  return messages.length;
}

function isoTime(milliseconds: number | undefined): string | null {
  return milliseconds === undefined ? null : new Date(milliseconds).toISOString();
}
