--- @include "include/write_user"

for i, a in ipairs(cjson.decode(ARGV[1])) do
  local stamp = tonumber(redis.call('HGET', KEYS[i], 'stamp') or 0)
  if stamp <= a.stamp then write_user(KEYS[i], KEYS[#KEYS], a) end
end
return 1
