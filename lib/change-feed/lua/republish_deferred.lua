--- @include "../../redis/lua/include/checks"
--- @include "include/feed"

local deferred, observations = unpack(KEYS)
local most, wakes = ARGV[1], ARGV[2]
must_be('stream', observations)
local members = redis.call('SRANDMEMBER', deferred, most)
for _, each in ipairs(members) do
  local field, id = string.match(each, '^(%a+) (.+)$')
  if field then feed_append(observations, wakes, 'change', 'changed', field, id) end
  redis.call('SREM', deferred, each)
end
return #members
