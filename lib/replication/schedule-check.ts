import type { Queue } from '../queue/queue.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';

export interface CheckMessage {
  /** how often the watermark has been checked without reaching everything */
  readonly round: number;
}

/** @param round of the check to come; the delay follows the lag: 1 s at first, a minute at most */
export function delayOfRound(round: number): number {
  return Math.min(60, 2 ** Math.min(round, 6));
}

/** Sends one delayed check unless one is on its way: one per watermark, not one per transaction. */
export async function scheduleCheck(
  parts: { readonly redis: Redis; readonly keys: Keys; readonly checks: Pick<Queue, 'send'> },
  round: number,
): Promise<void> {
  const delaySeconds = delayOfRound(round);
  const first = await parts.redis.set(parts.keys.checkScheduled, '1', { nx: true, ex: delaySeconds + 5 });
  if (first === null) return;
  const message: CheckMessage = { round };
  await parts.checks.send(JSON.stringify(message), delaySeconds);
}
