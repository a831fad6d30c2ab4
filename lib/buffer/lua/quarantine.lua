--- @include "../../redis/lua/include/checks"
--- @include "include/bytes"
--- @include "include/aggregates"

local pending, inflight, stats, by_record, tx = unpack(KEYS, 1, 5)
local reference, id, text, reason, failed_state = unpack(ARGV)
must(is_reference(reference), 'reference')
must_be('zset', pending, inflight, by_record)
must_be('hash', stats, tx)
local names = names_in(reference)
must_be_aggregates(names, 6)
local aggregates = aggregates_at(names, 6)
local overlay = aggregates[1].overlay
-- another release may have replaced it by a readable body
if redis.call('HGET', overlay, 'b:' .. id) ~= text then return 0 end
if redis.call('EXISTS', tx) == 1 then redis.call('HSET', tx, 'state', failed_state, 'reason', reason, 'put_away', '1') end
local size = tonumber(redis.call('HGET', tx, 'size') or '')
if size then
  count_bytes(stats, 'cleaned:' .. id, -size)
  redis.call('HDEL', tx, 'size')
end
redis.call('HDEL', stats, 'cleaned:' .. id)
redis.call('ZREM', pending, reference)
redis.call('ZREM', inflight, reference)
unindex_rows(by_record, aggregates, cjson.decode(redis.call('HGET', tx, 'records') or '[]'), id)
for i = #aggregates, 1, -1 do redis.call('HDEL', aggregates[i].overlay, 'b:' .. id, 's:' .. id, 'p:' .. id) end
return 1
