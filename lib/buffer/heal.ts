/** Writes back what Redis has forgotten, out of the copies that SQS kept. */
import { feedAppendLua, streams } from '../change-feed/append.ts';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { script } from '../redis/script.ts';
import { isQuiet, recordIdsOf, type Transaction } from '../transaction/transaction.ts';
import { knownOf } from './known.ts';
import { overlayIndexLua } from './overlay-index.ts';
import { writeReference } from './reference.ts';

const healScript = script(`
local tx, pending, overlay, record, stats, by_start, by_unit, unknown, feed = unpack(KEYS)
local a, body = cjson.decode(ARGV[1]), ARGV[2]
${feedAppendLua}
${overlayIndexLua}
if redis.call('EXISTS', tx) == 1 then return 0 end
local size = #body + 800
redis.call('HSET', tx, 'reference', a.reference, 'state', 'buffered', 'revision', 0, 'attempts', 0, 'size', size,
  'records', a.records, 'principal', a.principal, 'history', '[' .. cjson.encode({at = a.now_ms, state = 'buffered'}) .. ']')
redis.call('ZADD', pending, a.stamp, a.reference)
redis.call('HSET', overlay, 'b:' .. a.id, body, 's:' .. a.id, cjson.encode({state = 'buffered', verified = true}))
local r = redis.call('HMGET', record, 'obs_unit_id', 'start_ms', 'stamp')
local unit, start_ms = r[1], r[2]
-- what its client is told who repeats it; of a finish that stands with the record, whose start may come later
if a.start then
  redis.call('HSET', tx, 'patch', a.start.patch, 'status', 201)
elseif not a.finish then
  redis.call('HSET', tx, 'patch', '{}', 'status', 200)
end
if a.start then
  unit, start_ms = a.start.obs_unit_id, a.start.start_ms
  redis.call('HSET', record, 'obs_unit_id', unit, 'start_ms', start_ms, 'base', a.start.base)
elseif a.finish then
  redis.call('HSETNX', record, 'given_status', a.finish.status)
  redis.call('HSETNX', record, 'end_time', a.finish.end_time)
  redis.call('HSETNX', record, 'given_metadata', a.finish.given_metadata)
  redis.call('HSETNX', record, 'finish', a.finish.patch)
end
if tonumber(r[3] or 0) < tonumber(a.stamp) then redis.call('HSET', record, 'stamp', a.stamp) end
redis.call('PERSIST', record)
redis.call('HINCRBY', stats, 'bytes', size)
if a.quiet then
  redis.call('HSET', tx, 'quiet', '1')
else
  index_overlay(by_start, by_unit, unknown, unit, start_ms, a.aggregate)
  feed_append(feed, '${streams.observations.wakes}', 'change', 'buffered', 'record', a.aggregate,
    'obs_unit_id', unit or '', 'transaction', a.id)
end
return 1
`);

/**
 * Makes the buffer's entry of a transaction unless it is there, with what its client is told who repeats it.
 */
export async function heal(
  redis: Redis,
  keys: Keys,
  transaction: Transaction,
  nowMilliseconds: number,
): Promise<void> {
  await healScript(
    redis,
    [
      keys.transaction(transaction.id),
      keys.pending,
      keys.overlay(transaction.aggregate),
      keys.record(transaction.aggregate),
      keys.stats,
      keys.overlaid,
      keys.overlaidByUnit,
      keys.overlaidUnknown,
      keys.feed(streams.observations.stream),
    ],
    [
      JSON.stringify({
        id: transaction.id,
        aggregate: transaction.aggregate,
        stamp: String(transaction.stamp),
        reference: writeReference(transaction),
        records: JSON.stringify(recordIdsOf(transaction)),
        principal: transaction.principal,
        now_ms: nowMilliseconds,
        quiet: isQuiet(transaction),
        ...knownOf(transaction),
      }),
      JSON.stringify(transaction),
    ],
  );
}
