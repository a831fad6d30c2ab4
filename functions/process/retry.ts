/** Delays and wake-ups after which unfinished transactions are tried again. */
import { wakeMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { CopyOutcome } from './drain.ts';
import type { Site } from '../../lib/redis/site.ts';

/**
 * A copy backs off while main is unreachable; the entry in Redis is drained as soon as main answers. The upper limit bounds how
 * long a transaction waits if Redis has lost it.
 */
const firstSeconds = 2;
const maxSeconds = 75;

/**
 * Seconds for which a message stays hidden, with full jitter so that copies do not return together.
 * @param random in [0, 1)
 */
export function retryDelaySeconds(outcome: CopyOutcome, receiveCount: number, random: number): number {
  if (outcome === 'busy') return 3;
  const ceiling = Math.min(maxSeconds, firstSeconds * 2 ** Math.min(receiveCount, 10));
  return 1 + Math.floor(random * ceiling);
}

/** Hidden copies return at multiples of this time, so that up to ten share an invocation. */
const gridSeconds = 15;
/** Minimum time for which a copy is hidden the first time, and later. Later times are up to twice as long. */
const firstSleepSeconds = 60;
const sleepAfterwardsSeconds = 600;

/**
 * Seconds for which a copy is hidden while main is unreachable and Redis holds the transaction, which one processor will drain. A copy
 * received for the first time returns within 75 s, in case Redis loses its last second. Later, the copy is needed only if Redis loses
 * everything.
 * @param random in [0, 1)
 */
export function sleepSeconds(receiveCount: number, nowMilliseconds: number, random: number): number {
  const now = nowMilliseconds / 1000;
  const least = receiveCount > 1 ? sleepAfterwardsSeconds * (1 + random) : firstSleepSeconds;
  return Math.ceil(Math.ceil((now + least) / gridSeconds) * gridSeconds - now);
}

interface WakeParts extends Site {
  readonly transactions: Pick<Queue, 'send'>;
}

export const probeSeconds = 3;

/** One processor at a time probes main during an outage. */
export async function wakeAfterOutage({ redis, keys, transactions }: WakeParts): Promise<void> {
  await redis.set(keys.mainDown, '1', { ex: 120 });
  const first = await redis.set(keys.wakeScheduled, '1', { nx: true, ex: probeSeconds - 1 });
  if (first !== null) await transactions.send(wakeMessage, probeSeconds);
}

/** Another processor continues with the backlog. */
export async function wakeForBacklog({ transactions }: WakeParts): Promise<void> {
  await transactions.send(wakeMessage);
}

/** Another processor retries the transactions that could not be recorded. One wake-up serves all of them. */
export async function wakeForHeld(
  { redis, keys, transactions }: WakeParts,
  delaySeconds: number,
): Promise<void> {
  const first = await redis.set(keys.heldWakeScheduled, '1', { nx: true, ex: delaySeconds });
  if (first !== null) await transactions.send(wakeMessage, delaySeconds);
}

/** Limit of SQS. For longer waits the sweeper checks. */
const maxDelaySeconds = 900;

/** Wakes a processor when transactions that now wait for their start become overdue. One wake-up serves all of a short interval. */
export async function wakeForStarts(
  { redis, keys, transactions }: WakeParts,
  startWaitSeconds: number,
): Promise<void> {
  const intervalSeconds = Math.ceil(startWaitSeconds / 10);
  const delaySeconds = startWaitSeconds + intervalSeconds + 1;
  if (delaySeconds > maxDelaySeconds) return;
  const first = await redis.set(keys.startCheckScheduled, '1', { nx: true, ex: intervalSeconds });
  if (first !== null) await transactions.send(wakeMessage, delaySeconds);
}
