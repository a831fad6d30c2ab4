/** Marks that Redis has loaded all users and tokens: from then on, one that is missing in Redis does not exist. */
import * as z from 'zod/mini';
import type { Site } from '../redis/site.ts';

/** A replica may lag. By this time, copies in the queue have usually restored the changes that it lacks. */
const copiesMilliseconds = 180_000;

/** Call after loading all users and tokens of a replica. @returns whether Redis is marked */
export async function markLoaded({ redis, keys }: Site, nowMilliseconds: number): Promise<boolean> {
  if ((await redis.exists(keys.usersLoaded)) === 1) return true;
  await redis.set(keys.usersLoadedFirst, String(nowMilliseconds), { nx: true });
  const first = z.nullable(z.string()).parse(await redis.get(keys.usersLoadedFirst));
  if (nowMilliseconds - Number(first ?? nowMilliseconds) < copiesMilliseconds) return false;
  await redis.set(keys.usersLoaded, '1');
  await redis.del(keys.usersLoadedFirst);
  return true;
}
