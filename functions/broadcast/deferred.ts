/**
 * Changes that could not be sent because no replica answered and the buffer did not contain the whole record. Redis keeps them.
 * Once a replica answers, they are published in the feed again under new positions.
 */
import * as z from 'zod/mini';
import { streams } from '../../lib/change-feed/streams.ts';
import { republishDeferredScript } from '../../lib/redis/generated/scripts.ts';
import type { Site } from '../../lib/redis/site.ts';

const atOnce = 200;

export const deferredRecord = (id: string) => `record ${id}`;
export const deferredTransaction = (id: string) => `transaction ${id}`;

export async function deferChanges({ redis, keys }: Site, deferred: readonly string[]): Promise<void> {
  const [first, ...others] = deferred;
  if (first !== undefined) await redis.sadd(keys.deferred, first, ...others);
}

/** @returns whether there may be more */
export async function republishDeferred({ redis, keys }: Site): Promise<boolean> {
  const published = await republishDeferredScript(
    redis,
    [keys.deferred, keys.feed(streams.observations.stream)],
    [atOnce, streams.observations.wakes],
  );
  return z.int().parse(published) === atOnce;
}
