/** Moves a quiet stack by hand, one event at a time. */
import { expect } from 'vitest';
import { accept } from '../../lib/buffer/accept.ts';
import { wakeMessage } from '../../lib/queue/messages.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { eventually } from './eventually.ts';
import type { TestStack } from './test-stack.ts';

function queueEvent(...bodies: string[]) {
  return {
    Records: bodies.map((body, index) => ({
      messageId: String(index),
      receiptHandle: `receipt ${index}`,
      body,
      attributes: { ApproximateReceiveCount: '1' },
    })),
  };
}

/** Lets a processor look what is pending, or handle the given message bodies. Gives the indexes that it gave back. */
export async function applyByHand(stack: TestStack, ...bodies: string[]): Promise<number[]> {
  const event = queueEvent(...(bodies.length > 0 ? bodies : [wakeMessage]));
  const answer = (await stack.invoke('apply', event)) as { batchItemFailures: { itemIdentifier: string }[] };
  return answer.batchItemFailures.map(({ itemIdentifier }) => Number(itemIdentifier));
}

export async function confirmByHand(stack: TestStack): Promise<void> {
  await stack.invoke('confirm', queueEvent('{"round":0}'));
}

/** Everything on main, at every replica, and cleaned. */
export async function settleByHand(stack: TestStack): Promise<void> {
  const { redisClient, keys } = stack;
  await eventually(
    async () => {
      await applyByHand(stack);
      await confirmByHand(stack);
      for (const key of [keys.pending, keys.inflight, keys.committed]) {
        expect(await redisClient.zcard(key)).toBe(0);
      }
    },
    { timeoutMs: 30_000 },
  );
}

/** Buffers a transaction that no route makes; its message was lost. */
export async function acceptByHand(
  { redisClient, keys }: Pick<TestStack, 'redisClient' | 'keys'>,
  transaction: Transaction,
  nowMilliseconds = Date.now(),
): Promise<void> {
  const verdict = await accept(
    { redis: redisClient, keys },
    {
      claimant: { kind: 'none', principalId: transaction.principal },
      permission: 'write:observations',
      transaction,
      patch: '{}',
      status: 200,
      nowMilliseconds,
      requestsPerSecond: 1e9,
      budgetBytes: 1e12,
    },
  );
  expect(verdict).toMatchObject({ accepted: true });
}
