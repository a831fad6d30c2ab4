--- @include "../../redis/lua/include/checks"
--- @include "include/write_user"

local users = cjson.decode(ARGV[1])
must_be('set', KEYS[#KEYS])
local newer = {}
for i, a in ipairs(users) do
  must_be_user(a)
  newer[i] = tonumber(redis.call('HGET', KEYS[i], 'stamp') or 0) <= a.stamp
end
for i, a in ipairs(users) do
  if newer[i] then write_user(KEYS[i], KEYS[#KEYS], a) end
end
return 1
