--- @include "../../redis/lua/include/checks"

-- Reserves a token that is about to be created, if existing and reserved tokens are below the limits.
local of_owner, in_the_making = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'hash')
must_have('number', a, 'shown', 'live', 'most_live', 'most_shown', 'now_ms', 'until_ms')
must(a.until_ms > a.now_ms, 'duration')
-- the counts are an upper bound unless tokens were added since
if redis.call('SCARD', of_owner) ~= a.shown then return 'changed_meanwhile' end
local made = redis.call('ZCOUNT', in_the_making, a.now_ms, '+inf')
if redis.call('ZSCORE', in_the_making, a.hash) then made = made - 1 end
if a.live + made >= a.most_live then return 'live' end
if a.shown + made >= a.most_shown then return 'shown' end
redis.call('ZADD', in_the_making, string.format('%.0f', a.until_ms), a.hash)
redis.call('ZREMRANGEBYSCORE', in_the_making, '-inf', '(' .. string.format('%.0f', a.now_ms))
redis.call('PEXPIRE', in_the_making, string.format('%.0f', a.until_ms - a.now_ms))
return 'taken'
