/** How many requests wait at once, counted in Redis: a waiting one holds an instance of its function. */
import { problem } from '../http/problem.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { enterWaitScript } from '../redis/generated/scripts.ts';

/** Half of the instances that answer reads. */
const atOnce = 5;
const atOncePerPrincipal = 4;

/**
 * Takes a place among those that wait.
 * @param id of the request
 * @returns gives the place back
 * @throws ProblemError 429
 */
export async function enterWait(
  { redis, keys }: { readonly redis: Redis; readonly keys: Keys },
  {
    id,
    principal,
    milliseconds,
  }: { readonly id: string; readonly principal: string; readonly milliseconds: number },
  nowMilliseconds: number,
): Promise<() => Promise<void>> {
  const [all, own] = [keys.waits, keys.waitsOf(principal)];
  // a read after the last pause takes its time too
  const ends = nowMilliseconds + milliseconds + 5000;
  const entered = await enterWaitScript(
    redis,
    [all, own],
    [nowMilliseconds, ends, id, atOnce, atOncePerPrincipal],
  );
  if (entered !== 1) {
    throw problem.tooManyRequests(
      `Too many requests are already waiting: at most ${atOncePerPrincipal} for each user and ${atOnce} in all. Read without wait, or try again later.`,
      2,
      { code: 'too-many-waits' },
    );
  }
  return async () => {
    const pipeline = redis.pipeline();
    pipeline.zrem(all, id);
    pipeline.zrem(own, id);
    await pipeline.exec();
  };
}
