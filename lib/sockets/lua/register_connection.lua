--- @include "../../redis/lua/include/checks"
--- @include "../../change-feed/lua/include/feed"

local connections, of_user, connection, feed, ticket = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'id', 'wakes')
must_have('number', a, 'connected_at', 'life_seconds', 'limit')
must(a.life_seconds > 0 and (a.channel == nil or is_text(a.channel)), 'life or channel')
must_be('zset', connections, of_user)
must_be('hash', connection)
must_be('stream', feed)
-- a refused registration changes nothing; a repeated run continues an interrupted one even if that has spent the ticket
local is_begun = redis.call('HGET', connection, 'holder') == ARGV[2]
if not is_begun then
  if ticket and redis.call('EXISTS', ticket) == 0 then return 'spent' end
  if redis.call('ZCOUNT', of_user, string.format('(%.0f', a.connected_at), '+inf') >= a.limit then return 'full' end
end
local ends = string.format('%.0f', a.connected_at + a.life_seconds * 1000)
redis.call('HSET', connection, 'holder', ARGV[2], 'connected_at', a.connected_at)
redis.call('EXPIRE', connection, a.life_seconds)
if ticket then redis.call('DEL', ticket) end
redis.call('ZREMRANGEBYSCORE', of_user, '-inf', a.connected_at)
redis.call('ZADD', of_user, ends, a.id)
redis.call('EXPIRE', of_user, a.life_seconds)
redis.call('ZADD', connections, ends, a.id)
if a.channel then
  redis.call('HSETNX', connection, 'sub:' .. a.channel, '{"asked":0}')
  feed_append(feed, a.wakes, 'record', a.id)
end
return 'done'
