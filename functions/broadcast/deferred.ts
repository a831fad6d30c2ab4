/**
 * Changes that could not be shown, since no replica answered and the buffer did not have all of them. They are kept in Redis,
 * and come again in the feed, with a position of their own, once a replica answers.
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
