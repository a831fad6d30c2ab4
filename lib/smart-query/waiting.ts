/** How many requests wait at once, counted in Redis: a waiting one holds an instance of its function. */
import { problem } from '../http/problem.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { script } from '../redis/script.ts';

/** Half of the instances that answer reads. */
const atOnce = 5;
const atOncePerPrincipal = 4;

/** A place ends by itself: whoever held it may have died. */
const enterScript = script(`
local all, own = unpack(KEYS)
local now, ends, id, of_all, of_own = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', all, '-inf', now)
redis.call('ZREMRANGEBYSCORE', own, '-inf', now)
if redis.call('ZSCORE', all, id) then return 1 end
if redis.call('ZCARD', all) >= of_all or redis.call('ZCARD', own) >= of_own then return 0 end
redis.call('ZADD', all, ends, id)
redis.call('ZADD', own, ends, id)
redis.call('EXPIRE', all, 120)
redis.call('EXPIRE', own, 120)
return 1
`);

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
  const entered = await enterScript(
    redis,
    [all, own],
    [nowMilliseconds, ends, id, atOnce, atOncePerPrincipal],
  );
  if (entered !== 1) {
    throw problem.tooManyRequests(
      `Too many requests wait already: at most ${atOncePerPrincipal} of one user and ${atOnce} in all. Read without wait, or try again.`,
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
