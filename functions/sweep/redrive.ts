import type { Queue } from '../../lib/queue/queue.ts';

/** limit of one sweep */
const maxCalls = 50;

/** Moves dead letters back to their queue. A message is deleted only after it has been sent. */
export async function redrive(deadLetters: Queue, queue: Queue): Promise<number> {
  let moved = 0;
  for (let call = 0; call < maxCalls; call += 1) {
    const messages = await deadLetters.receive();
    if (messages.length === 0) break;
    const taken = await queue.sendAll(messages.map(({ Body }) => Body ?? ''));
    for (const [index, { ReceiptHandle }] of messages.entries()) {
      if (taken[index] && ReceiptHandle !== undefined) await deadLetters.delete(ReceiptHandle);
    }
    moved += taken.filter(Boolean).length;
  }
  return moved;
}
