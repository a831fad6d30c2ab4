/** When a processor comes back to what it could not do. */
import { wakeMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { CopyOutcome } from './drain.ts';
import type { Site } from '../../lib/redis/site.ts';

/**
 * The first back-off, and the longest: a copy waits for main in the queue, while Redis is drained as soon as main is back.
 * Should Redis forget it, no copy is longer out of sight than that.
 */
const firstSeconds = 2;
const longestSeconds = 75;

/**
 * How long a message is hidden, with full jitter so that copies do not come back together.
 * @param random in [0, 1)
 */
export function giveBackSeconds(outcome: CopyOutcome, receiveCount: number, random: number): number {
  if (outcome === 'busy') return 3;
  const ceiling = Math.min(longestSeconds, firstSeconds * 2 ** Math.min(receiveCount, 10));
  return 1 + Math.floor(random * ceiling);
}

interface WakeParts extends Site {
  readonly transactions: Pick<Queue, 'send'>;
}

const probeSeconds = 3;

/** One processor at a time asks whether main is back. */
export async function wakeAfterOutage({ redis, keys, transactions }: WakeParts): Promise<void> {
  await redis.set(keys.mainDown, '1', { ex: 120 });
  const first = await redis.set(keys.wakeScheduled, '1', { nx: true, ex: probeSeconds - 1 });
  if (first !== null) await transactions.send(wakeMessage, probeSeconds);
}

/** Another processor goes on with what is left. */
export async function wakeForBacklog({ transactions }: WakeParts): Promise<void> {
  await transactions.send(wakeMessage);
}

/** Another processor comes back to what could not be recorded; one wake-up for all of them. */
export async function wakeForHeld(
  { redis, keys, transactions }: WakeParts,
  delaySeconds: number,
): Promise<void> {
  const first = await redis.set(keys.heldWakeScheduled, '1', { nx: true, ex: delaySeconds });
  if (first !== null) await transactions.send(wakeMessage, delaySeconds);
}

/** SQS delays no longer; where starts are waited for longer the sweeper looks. */
const longestDelaySeconds = 900;

/** Looks again once what waits for its start since now has waited for too long; one wake-up for all of a short while. */
export async function wakeForStarts(
  { redis, keys, transactions }: WakeParts,
  startWaitSeconds: number,
): Promise<void> {
  const whileSeconds = Math.ceil(startWaitSeconds / 10);
  const delaySeconds = startWaitSeconds + whileSeconds + 1;
  if (delaySeconds > longestDelaySeconds) return;
  const first = await redis.set(keys.startCheckScheduled, '1', { nx: true, ex: whileSeconds });
  if (first !== null) await transactions.send(wakeMessage, delaySeconds);
}
