/** Ensures one broadcaster at a time: a lease with a fence, which is part of each message, so that clients can ignore a stale holder. */
import * as z from 'zod/mini';
import { acquireLeaseScript, releaseLeaseScript, renewLeaseScript } from '../redis/generated/scripts.ts';
import type { Site } from '../redis/site.ts';

const leaseMilliseconds = 15_000;

export interface Lease {
  /** increases with every holder */
  readonly fence: number;
  /** @returns false if the lease has been lost */
  readonly renew: () => Promise<boolean>;
  readonly release: () => Promise<void>;
}

/** @returns undefined if another broadcaster holds the lease */
export async function acquireLease({ redis, keys }: Site): Promise<Lease | undefined> {
  const fence = z
    .int()
    .parse(await acquireLeaseScript(redis, [keys.broadcaster, keys.broadcasterFence], [leaseMilliseconds]));
  if (fence === 0) return undefined;
  return {
    fence,
    renew: async () => (await renewLeaseScript(redis, [keys.broadcaster], [fence, leaseMilliseconds])) === 1,
    release: async () => void (await releaseLeaseScript(redis, [keys.broadcaster], [fence])),
  };
}

/** Whether a broadcaster is running. */
export async function isLeased({ redis, keys }: Site): Promise<boolean> {
  return (await redis.exists(keys.broadcaster)) === 1;
}
