/** Runs the processors of a quiesced stack on demand. */
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

/** Invokes a processor with a wake-up or with `bodies`. @returns the indexes of the bodies that return to the queue */
export async function applyByHand(stack: TestStack, ...bodies: string[]): Promise<number[]> {
  const event = queueEvent(...(bodies.length > 0 ? bodies : [wakeMessage]));
  const answer = (await stack.invoke('apply', event)) as { batchItemFailures: { itemIdentifier: string }[] };
  return answer.batchItemFailures.map(({ itemIdentifier }) => Number(itemIdentifier));
}

export async function confirmByHand(stack: TestStack): Promise<void> {
  await stack.invoke('confirm', queueEvent('{"round":0}'));
}

/** Runs the processors until every transaction is at main, at every replica, and cleaned. */
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

/** Buffers a transaction that no operation makes, without its message. */
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
