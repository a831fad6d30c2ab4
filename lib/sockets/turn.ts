/**
 * Messages of one connection take turns: functions handle them side by side, while their replies are to come in the order in
 * which the gateway has received them. The gateway does not number them, so that one that is slow to arrive here is waited
 * for a little. A client that must be certain gives its messages a `request`, or pings an `id`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { takeTurnScript } from '../redis/generated/scripts.ts';
import type { Site } from '../redis/site.ts';

/** How much later one message may arrive here than another that was received after it. */
const settleMilliseconds = 30;
const pauseMilliseconds = 10;
/** A function that has died keeps the others waiting for no longer. */
const deadMilliseconds = 3000;
const waitMilliseconds = 5000;

export interface Turn {
  readonly connectionId: string;
  readonly messageId: string;
  /** when the gateway has received the message, epoch ms */
  readonly receivedAt: number;
}

interface TurnParts extends Site {
  /** epoch ms */
  readonly now: () => number;
}

/** Does the work once every message that was received before has been replied to, or seems to be lost. */
export async function inTurn<T>(
  { redis, keys, now }: TurnParts,
  { connectionId, messageId, receivedAt }: Turn,
  work: () => Promise<T>,
): Promise<T> {
  const turns = keys.turns(connectionId);
  const isFirst = async () => {
    const dead = now() - deadMilliseconds;
    // without Redis each is answered as it comes
    return (
      (await takeTurnScript(redis, [turns], [messageId, dead, receivedAt, 2 * waitMilliseconds]).catch(
        () => 1,
      )) === 1
    );
  };
  const begun = now();
  await isFirst();
  await delay(Math.max(0, Math.min(settleMilliseconds, receivedAt + settleMilliseconds - now())));
  while (!(await isFirst()) && now() - begun < waitMilliseconds) await delay(pauseMilliseconds);
  try {
    return await work();
  } finally {
    await redis.zrem(turns, messageId).catch(() => undefined);
  }
}
