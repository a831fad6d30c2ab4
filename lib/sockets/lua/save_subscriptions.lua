--- @include "../../redis/lua/include/checks"

-- Saves subscriptions unless the client has restarted them meanwhile. KEYS[i] is the connection of ARGV[i].
local fields = {}
for i, text in ipairs(ARGV) do
  local a = cjson.decode(text)
  must_have('string', a, 'channel')
  local known = redis.call('HGET', KEYS[i], 'sub:' .. a.channel)
  if known and cjson.decode(known).asked == a.asked then fields[i] = 'sub:' .. a.channel end
end
for i, field in pairs(fields) do redis.call('HSET', KEYS[i], field, ARGV[i]) end
return 1
