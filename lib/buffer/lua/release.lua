--- @include "../../redis/lua/include/checks"

local pending, inflight = KEYS[1], KEYS[2]
for _, reference in ipairs(ARGV) do must(is_reference(reference), 'reference') end
must_be('zset', pending, inflight)
for _, reference in ipairs(ARGV) do
  if redis.call('ZSCORE', inflight, reference) then
    redis.call('ZADD', pending, string.match(reference, '^%d+'), reference)
    redis.call('ZREM', inflight, reference)
  end
end
return redis.call('ZCARD', pending)
