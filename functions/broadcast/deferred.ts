/**
 * Changes that could not be shown, since no replica answered and the buffer did not have all of them. They are kept in Redis,
 * and come again in the feed, with a position of their own, once a replica answers.
 */
import * as z from 'zod/mini';
import { feedAppendLua, streams } from '../../lib/change-feed/append.ts';
import { script } from '../../lib/redis/script.ts';
import type { Site } from '../../lib/redis/site.ts';

const atOnce = 200;

export const deferredRecord = (id: string) => `record ${id}`;
export const deferredTransaction = (id: string) => `transaction ${id}`;

export async function deferChanges({ redis, keys }: Site, deferred: readonly string[]): Promise<void> {
  const [first, ...others] = deferred;
  if (first !== undefined) await redis.sadd(keys.deferred, first, ...others);
}

const republishScript = script(`
local deferred, observations = unpack(KEYS)
${feedAppendLua}
local members = redis.call('SRANDMEMBER', deferred, ${atOnce})
for _, each in ipairs(members) do
  local field, id = string.match(each, '^(%a+) (.+)$')
  redis.call('SREM', deferred, each)
  feed_append(observations, '${streams.observations.wakes}', 'change', 'changed', field, id)
end
return #members
`);

/** @returns whether there may be more */
export async function republishDeferred({ redis, keys }: Site): Promise<boolean> {
  const published = await republishScript(redis, [keys.deferred, keys.feed(streams.observations.stream)], []);
  return z.int().parse(published) === atOnce;
}
