import type { Queue } from '../queue/queue.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';

export interface CheckMessage {
  /** number of previous checks that did not confirm everything */
  readonly round: number;
}

/** Exponential delay, from 1 s to a minute. @param round of the next check */
export function delayOfRound(round: number): number {
  return Math.min(60, 2 ** Math.min(round, 6));
}

/** Schedules a delayed check unless one is already scheduled. One check serves all transactions. */
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
