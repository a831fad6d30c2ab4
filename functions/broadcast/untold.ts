/**
 * Changes that could not be told, since no replica answered and the buffer did not have all of them. They are kept in Redis,
 * and come again in the feed, with a position of their own, once a replica answers.
 */
import * as z from 'zod/mini';
import { feedAppendLua, streams } from '../../lib/change-feed/append.ts';
import type { Redis } from '../../lib/redis/client.ts';
import type { Keys } from '../../lib/redis/keys.ts';
import { script } from '../../lib/redis/script.ts';

const atOnce = 200;

export const untoldRecord = (id: string) => `record ${id}`;
export const untoldTransaction = (id: string) => `transaction ${id}`;

export async function keepUntold(redis: Redis, keys: Keys, untold: readonly string[]): Promise<void> {
  const [first, ...others] = untold;
  if (first !== undefined) await redis.sadd(keys.untold, first, ...others);
}

const tellScript = script(`
local untold, observations = unpack(KEYS)
${feedAppendLua}
local members = redis.call('SRANDMEMBER', untold, ${atOnce})
for _, each in ipairs(members) do
  local field, id = string.match(each, '^(%a+) (.+)$')
  redis.call('SREM', untold, each)
  feed_append(observations, '${streams.observations.wakes}', 'change', 'changed', field, id)
end
return #members
`);

/** @returns whether there may be more */
export async function tellUntold(redis: Redis, keys: Keys): Promise<boolean> {
  const told = await tellScript(redis, [keys.untold, keys.feed(streams.observations.stream)], []);
  return z.int().parse(told) === atOnce;
}
