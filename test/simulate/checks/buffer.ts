/** What Redis may still hold once everything has come to rest: nothing of a transaction, and nothing for ever. */
import type { RedisServer } from '../stores/redis-server.ts';
import { must } from './violation.ts';

/** Kept for as long as the observatory is: each is one key, or bounded by what main has. */
const lasting =
  /^ops:(?:feed(?::.*)?|floor|stats|people:.*|users?(?::.*)?|tokens?:.*|relay(?::.*)?|broadcaster:.*|resent-after|connections|set-aside|audit:.*)$/;
/** Read over and over by a wait or a rate, for seconds. */
const passing = /^ops:(?:rate:.*|drained:.*|waits.*)$/;

export async function checkBuffer(redis: RedisServer): Promise<void> {
  for (const name of ['pending', 'inflight', 'committed', 'overlaid', 'overlaid:by-unit']) {
    const left = (await redis.ask('ZRANGE', `ops:${name}`, '0', '-1')) as string[];
    must(left.length === 0, `${name} is not empty`, () => left.join(', '));
  }
  const stats = pairs((await redis.ask('HGETALL', 'ops:stats')) as string[]);
  must(Number(stats.bytes ?? 0) === 0, 'bytes', () => `the buffer counts ${stats.bytes} bytes, and is empty`);
  const keys = ((await redis.ask('KEYS', '*')) as string[]).sort();
  for (const key of keys) {
    must(!/^ops:overlay:/.test(key), 'overlay', () => `${key} is left`);
    if (lasting.test(key) || passing.test(key) || redis.willExpire(key)) continue;
    const seconds = Number(await redis.ask('TTL', key));
    if (seconds >= 0) continue;
    // that a commit was lost for good is said until somebody has seen it
    const isLost = key.startsWith('ops:tx:') && (await redis.ask('HGET', key, 'outcome')) === 'lost';
    must(isLost, 'kept for ever', () => key);
  }
}

function pairs(flat: readonly string[]): Record<string, string> {
  return Object.fromEntries(flat.flatMap((field, i) => (i % 2 === 0 ? [[field, flat[i + 1] ?? '']] : [])));
}
