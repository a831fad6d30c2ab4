/** Sends copies of transactions that have been pending for longer than a message should take. */
import * as z from 'zod/mini';
import { readBodies } from '../../lib/buffer/bodies.ts';
import { readReference } from '../../lib/buffer/reference.ts';
import { transactionMessage, wakeMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { Redis } from '../../lib/redis/client.ts';
import type { Keys } from '../../lib/redis/keys.ts';

const oldMilliseconds = 60_000;
const pageSize = 500;
/** what one sweep has time for; the next goes on */
const maxPages = 40;

export interface Resent {
  readonly pending: number;
  readonly resent: number;
}

/**
 * While main is away every old transaction gets one copy and no more, however long that lasts; with main in reach nothing
 * should be old, and what is gets a copy each time. One wake-up drains them all.
 */
export async function resendOld(
  parts: { readonly redis: Redis; readonly keys: Keys; readonly transactions: Queue },
  nowMilliseconds: number,
): Promise<Resent> {
  const { redis, keys, transactions } = parts;
  const [pending, mainDown, reached] = z
    .tuple([z.int(), z.int(), z.nullable(z.string())])
    .parse(await redis.pipeline().zcard(keys.pending).exists(keys.mainDown).get(keys.resentUpTo).exec());
  if (pending > 0) await transactions.send(wakeMessage);
  const upTo = (nowMilliseconds - oldMilliseconds) * 1000;
  let from = mainDown === 1 && reached !== null ? `(${reached}` : '-inf';
  let resent = 0;
  for (let page = 0; page < maxPages; page += 1) {
    const members = z.array(z.string()).parse(
      await redis.zrange(keys.pending, from as `(${number}` | '-inf', upTo, {
        byScore: true,
        offset: 0,
        count: pageSize,
      }),
    );
    const references = members.map(readReference);
    const last = references.at(-1);
    if (!last) break;
    const bodies = await readBodies(redis, keys, references);
    const taken = await transactions.sendAll(bodies.map(transactionMessage));
    if (taken.includes(false)) break;
    resent += taken.length;
    await redis.set(keys.resentUpTo, String(last.stamp));
    from = `(${last.stamp}`;
  }
  return { pending, resent };
}
