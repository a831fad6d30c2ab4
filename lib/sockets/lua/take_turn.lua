--- @include "../../redis/lua/include/checks"

-- Adds a message to the queue of its connection and returns whether it is the first. Messages from before ARGV[2] are dropped.
for i = 2, 4 do must(is_number(tonumber(ARGV[i])), 'numbers') end
must(tonumber(ARGV[4]) > 0, 'life')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2])
redis.call('ZADD', KEYS[1], 'NX', ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return redis.call('ZRANGE', KEYS[1], 0, 0)[1] == ARGV[1] and 1 or 0
