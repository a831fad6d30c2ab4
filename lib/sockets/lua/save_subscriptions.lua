--- @include "../../redis/lua/include/checks"

-- Notes where subscriptions are, unless the client has asked again meanwhile. KEYS[i]: the connection of ARGV[i].
local notes = {}
for i, text in ipairs(ARGV) do
  local a = cjson.decode(text)
  must_have('string', a, 'channel')
  local known = redis.call('HGET', KEYS[i], 'sub:' .. a.channel)
  if known and cjson.decode(known).asked == a.asked then notes[i] = 'sub:' .. a.channel end
end
for i, field in pairs(notes) do redis.call('HSET', KEYS[i], field, ARGV[i]) end
return 1
