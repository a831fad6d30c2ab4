/** Brings how often tokens were used to main: at most once an hour for each, never a write per request. */
import type { StoredToken } from '../../lib/auth/token-store.ts';
import { accept, withStamp } from '../../lib/buffer/accept.ts';
import { transactionMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { Redis } from '../../lib/redis/client.ts';
import type { Keys } from '../../lib/redis/keys.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';

const everySeconds = 3600;
const nobody = { kind: 'session', principalId: '0', sessionId: 'sweep' } as const;

interface Parts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly transactions: Pick<Queue, 'sendAll'>;
  readonly budgetBytes: number;
}

/** @param used tokens whose count main does not have @returns how many were recorded */
export async function recordUsage(
  { redis, keys, transactions, budgetBytes }: Parts,
  used: readonly StoredToken[],
  nowMilliseconds: number,
): Promise<number> {
  if (used.length === 0) return 0;
  const isTime = await redis.set(keys.usageRecorded, '1', { ex: everySeconds, nx: true });
  if (isTime === null) return 0;
  const messages: string[] = [];
  for (const token of used) {
    const heading = {
      id: derivedUuid('usage', token.id, String(token.uses)),
      stamp: nowMilliseconds * 1000,
      aggregate: token.id,
      principal: token.principal,
      operation: 'recordUsage',
    };
    const lastUsedAt = token.usedAt === undefined ? null : new Date(token.usedAt).toISOString();
    const transaction = new TransactionBuilder(heading, () => token.id)
      .update('api_token', token.id, { usage_count: token.uses, last_used_at: lastUsedAt })
      .build();
    const verdict = await accept(redis, keys, {
      claimant: nobody,
      permission: '',
      transaction,
      patch: '{}',
      status: 200,
      nowMilliseconds,
      requestsPerSecond: Number.MAX_SAFE_INTEGER,
      budgetBytes,
    });
    if ('accepted' in verdict && verdict.stamp !== undefined) {
      messages.push(transactionMessage(withStamp(transaction, verdict.stamp)));
    }
  }
  await transactions.sendAll(messages);
  return messages.length;
}
