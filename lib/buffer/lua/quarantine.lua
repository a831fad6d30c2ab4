--- @include "../../redis/lua/include/checks"
--- @include "include/bytes"

local pending, inflight, stats, tx, overlay = unpack(KEYS)
local reference, id, text, reason, failed_state = unpack(ARGV)
must_be('zset', pending, inflight)
must_be('hash', stats, tx)
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
redis.call('HDEL', overlay, 'b:' .. id, 's:' .. id)
return 1
