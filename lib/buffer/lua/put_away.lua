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
