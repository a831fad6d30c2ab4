--- @include "../../redis/lua/include/checks"

-- Takes one of the places for waiting requests. A place expires, in case its request dies. Returns 0 if none is free.
local all, own = unpack(KEYS)
local now, ends, id, of_all, of_own = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
must(is_number(now) and is_number(ends) and is_number(of_all) and is_number(of_own), 'numbers')
must_be('zset', all, own)
redis.call('ZREMRANGEBYSCORE', all, '-inf', now)
redis.call('ZREMRANGEBYSCORE', own, '-inf', now)
local is_taken = redis.call('ZSCORE', all, id)
if not is_taken and (redis.call('ZCARD', all) >= of_all or redis.call('ZCARD', own) >= of_own) then return 0 end
redis.call('ZADD', all, ends, id)
redis.call('ZADD', own, ends, id)
redis.call('EXPIRE', all, 120)
redis.call('EXPIRE', own, 120)
return 1
