import { createHash } from 'node:crypto';
import type { Redis } from './client.ts';

export interface Script {
  (redis: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** the whole text, for a script that runs within a transaction of Redis */
  readonly source: string;
}

/** Without this first line a script would hold Upstash's lock on the whole database; with it, on its KEYS alone. */
export const keyLocking = '#!lua flags=allow-key-locking\n';

/**
 * A server-side script: one atomic step, one round trip once Redis knows it.
 * It must name every key in KEYS and give the same result when it runs twice: a lost answer makes callers repeat it.
 * @param parts of its text, in order; `npm run lua` makes them out of the `.lua` files
 */
export function script(...parts: readonly string[]): Script {
  const source = keyLocking + parts.join('').trim();
  const sha = createHash('sha1').update(source).digest('hex');
  const run = async (redis: Redis, keys: readonly string[], args: readonly (string | number)[]) => {
    const texts = args.map(String);
    try {
      return await redis.evalsha(sha, [...keys], texts);
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('NOSCRIPT'))) throw error;
      return await redis.eval(source, [...keys], texts);
    }
  };
  return Object.assign(run, { source });
}
