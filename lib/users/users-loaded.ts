/** When Redis counts as told of everybody: whom it then does not know is nobody. */
import * as z from 'zod/mini';
import type { Site } from '../redis/site.ts';

/** A replica may be behind; by then the copies in the queue have come back, as a rule, and with them what it does not know. */
const copiesMilliseconds = 180_000;

/** To be called after everybody that a replica knows was loaded. @returns whether Redis counts as told */
export async function markLoaded({ redis, keys }: Site, nowMilliseconds: number): Promise<boolean> {
  if ((await redis.exists(keys.usersLoaded)) === 1) return true;
  await redis.set(keys.usersLoadedFirst, String(nowMilliseconds), { nx: true });
  const first = z.nullable(z.string()).parse(await redis.get(keys.usersLoadedFirst));
  if (nowMilliseconds - Number(first ?? nowMilliseconds) < copiesMilliseconds) return false;
  await redis.set(keys.usersLoaded, '1');
  await redis.del(keys.usersLoadedFirst);
  return true;
}
