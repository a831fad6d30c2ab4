--- @include "../../redis/lua/include/checks"
--- @include "../../change-feed/lua/include/feed"

local connection, feed = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'id', 'channel', 'wakes')
must_have('number', a, 'most')
must(a.request == nil or is_number(a.request), 'request')
must_be('hash', connection)
must_be('stream', feed)
if redis.call('EXISTS', connection) == 0 then return 'gone' end
local field = 'sub:' .. a.channel
-- messages of a socket may be handled out of order
local stored = redis.call('HGET', connection, field)
local known = stored and cjson.decode(stored).request
if a.remove then
  if known and a.request and known ~= a.request then return 'done' end
  redis.call('HDEL', connection, field)
elseif known and a.request and known > a.request then
  return 'done'
else
  local count = 0
  for _, each in ipairs(redis.call('HKEYS', connection)) do
    if string.sub(each, 1, 4) == 'sub:' and each ~= field then count = count + 1 end
  end
  if count >= a.most then return 'full' end
  local asked = redis.call('HINCRBY', connection, 'asked', 1)
  redis.call('HSET', connection, field, cjson.encode({since = a.since, asked = asked, request = a.request}))
end
feed_append(feed, a.wakes, 'record', a.id)
return 'done'
