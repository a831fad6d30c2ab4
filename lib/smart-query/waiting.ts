/** Limits how many requests wait at once, counted in Redis: each waiting request occupies a function instance. */
import { problem } from '../http/problem.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { enterWaitScript } from '../redis/generated/scripts.ts';

/** A quarter of the instances of `query`. */
const maxWaits = 5;
const maxWaitsPerPrincipal = 4;

/**
 * Takes one of the places for waiting requests.
 * @param id of the request
 * @returns a function that frees the place
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
  // leaves time for the read after the last pause
  const ends = nowMilliseconds + milliseconds + 5000;
  const entered = await enterWaitScript(
    redis,
    [all, own],
    [nowMilliseconds, ends, id, maxWaits, maxWaitsPerPrincipal],
  );
  if (entered !== 1) {
    throw problem.tooManyRequests(
      `Too many requests are already waiting: at most ${maxWaitsPerPrincipal} per user and ${maxWaits} in total. Read without \`wait\`, or try again later.`,
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
