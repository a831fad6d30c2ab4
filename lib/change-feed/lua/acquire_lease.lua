--- @include "../../redis/lua/include/checks"

-- Returns the fence of the new lease, or 0 if another holds it.
local milliseconds = tonumber(ARGV[1])
must(is_number(milliseconds) and milliseconds > 0, 'duration')
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], fence, 'PX', ARGV[1])
return fence
