/**
 * Keeps the replies of a connection in the order in which API Gateway received its messages, although concurrent functions handle them.
 * API Gateway does not number messages, so each waits briefly for earlier ones that arrive late. Clients that need certainty number
 * their messages with `request`, or pings with `id`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { takeTurnScript } from '../redis/generated/scripts.ts';
import type { Site } from '../redis/site.ts';

/** Longest time by which an earlier message may arrive after a later one. */
const settleMilliseconds = 30;
const pauseMilliseconds = 10;
/** A message whose function has died delays later ones for no longer than this. */
const deadMilliseconds = 3000;
const waitMilliseconds = 5000;

export interface Turn {
  readonly connectionId: string;
  readonly messageId: string;
  /** when API Gateway received the message, epoch ms */
  readonly receivedAt: number;
}

interface TurnParts extends Site {
  /** epoch ms */
  readonly now: () => number;
}

/** Runs `work` once every earlier message has been answered or seems to be lost. */
export async function inTurn<T>(
  { redis, keys, now }: TurnParts,
  { connectionId, messageId, receivedAt }: Turn,
  work: () => Promise<T>,
): Promise<T> {
  const turns = keys.turns(connectionId);
  const isFirst = async () => {
    const dead = now() - deadMilliseconds;
    // without Redis, answer at once
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
