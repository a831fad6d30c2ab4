--- @include "include/feed"

local connections, of_user, connection, feed, ticket = unpack(KEYS)
local a = cjson.decode(ARGV[1])
-- what is refused spends no ticket and takes no place
if ticket and redis.call('EXISTS', ticket) == 0 then return 'spent' end
redis.call('ZREMRANGEBYSCORE', of_user, '-inf', a.connected_at)
if redis.call('ZCARD', of_user) >= a.limit then return 'full' end
if ticket then redis.call('DEL', ticket) end
local ends = a.connected_at + a.life_seconds * 1000
redis.call('ZADD', of_user, ends, a.id)
redis.call('EXPIRE', of_user, a.life_seconds)
redis.call('ZADD', connections, ends, a.id)
redis.call('HSET', connection, 'holder', ARGV[2], 'connected_at', a.connected_at)
if a.channel then redis.call('HSET', connection, 'sub:' .. a.channel, '{"asked":0}') end
redis.call('EXPIRE', connection, a.life_seconds)
if a.channel then feed_append(feed, a.wakes, 'record', a.id) end
return 'done'
