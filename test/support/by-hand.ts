/** Moves a quiet stack by hand, one event at a time. */
import { wakeMessage } from '../../lib/queue/messages.ts';
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
