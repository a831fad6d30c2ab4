import type { Redis } from './client.ts';

/** Counts one more in the window that `key` names, and says whether that is within `limit`. */
export async function isWithinRate(redis: Redis, key: string, limit: number): Promise<boolean> {
  const pipeline = redis.pipeline();
  pipeline.incr(key);
  pipeline.expire(key, 3);
  const [used] = await pipeline.exec<[number, number]>();
  return used <= limit;
}
