import type { Redis } from './client.ts';

/** Counts a request in the window of `key`. @returns whether the count is within `limit` */
export async function isWithinRate(redis: Redis, key: string, limit: number): Promise<boolean> {
  const pipeline = redis.pipeline();
  pipeline.incr(key);
  pipeline.expire(key, 3);
  const [used] = await pipeline.exec<[number, number]>();
  return used <= limit;
}
