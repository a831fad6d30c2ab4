/** One broadcaster at a time: a lease with a fence that each message carries, so that a late one can be told. */
import * as z from 'zod/mini';
import { script } from '../redis/script.ts';
import type { Site } from '../redis/site.ts';

const leaseMilliseconds = 15_000;

const acquireScript = script(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], fence, 'PX', ARGV[1])
return fence
`);

const renewScript = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

const releaseScript = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`);

export interface Lease {
  /** rises with every holder */
  readonly fence: number;
  /** @returns false if it has been lost */
  readonly renew: () => Promise<boolean>;
  readonly release: () => Promise<void>;
}

/** @returns undefined if somebody holds it */
export async function acquireLease({ redis, keys }: Site): Promise<Lease | undefined> {
  const fence = z
    .int()
    .parse(await acquireScript(redis, [keys.broadcaster, keys.broadcasterFence], [leaseMilliseconds]));
  if (fence === 0) return undefined;
  return {
    fence,
    renew: async () => (await renewScript(redis, [keys.broadcaster], [fence, leaseMilliseconds])) === 1,
    release: async () => void (await releaseScript(redis, [keys.broadcaster], [fence])),
  };
}

/** Whether a broadcaster is at work. */
export async function isLeased({ redis, keys }: Site): Promise<boolean> {
  return (await redis.exists(keys.broadcaster)) === 1;
}
