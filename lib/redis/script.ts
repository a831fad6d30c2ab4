import { createHash } from 'node:crypto';
import type { Redis } from './client.ts';

export interface Script {
  (redis: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** the full text, for use within a transaction of Redis */
  readonly source: string;
}

/** With this first line, a script locks only its KEYS at Upstash instead of the whole database. */
export const keyLocking = '#!lua flags=allow-key-locking\n';

/**
 * A server-side script: atomic, in one round trip once Redis has cached it. It must declare every key in KEYS and be idempotent, since
 * callers repeat it after a lost answer.
 * @param parts of its text, in order; `npm run lua` generates them from the `.lua` files
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
