import { script } from '../redis/script.ts';
import { writeReference, type Reference } from './reference.ts';
import type { Site } from '../redis/site.ts';

const putAwayScript = script(`
local pending, inflight, stats, tx, overlay = unpack(KEYS)
local reference, id, text, reason = unpack(ARGV)
-- another release may have written a body that can be read
if redis.call('HGET', overlay, 'b:' .. id) ~= text then return 0 end
redis.call('ZREM', pending, reference)
redis.call('ZREM', inflight, reference)
redis.call('HDEL', overlay, 'b:' .. id, 's:' .. id)
local size = redis.call('HGET', tx, 'size')
if size then
  redis.call('HINCRBY', stats, 'bytes', -tonumber(size))
  redis.call('HDEL', tx, 'size')
end
if redis.call('EXISTS', tx) == 1 then redis.call('HSET', tx, 'state', 'failed', 'reason', reason, 'put_away', '1') end
return 1
`);

/** Takes a pending transaction whose body cannot be read out of the buffer. Main must have kept its text before. */
export async function putAway(
  { redis, keys }: Site,
  { reference, text }: { readonly reference: Reference; readonly text: string },
  reason: string,
): Promise<void> {
  await putAwayScript(
    redis,
    [
      keys.pending,
      keys.inflight,
      keys.stats,
      keys.transaction(reference.id),
      keys.overlay(reference.aggregate),
    ],
    [writeReference(reference), reference.id, text, reason],
  );
}

/** Forgets what was put away, so that the buffer takes it as new: it can be read now. */
export async function bringBack({ redis, keys }: Site, id: string): Promise<void> {
  const isPutAway = await redis.hget(keys.transaction(id), 'put_away');
  if (isPutAway !== null) await redis.del(keys.transaction(id));
}
