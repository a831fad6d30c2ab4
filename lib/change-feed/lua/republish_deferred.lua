--- @include "include/feed"

local deferred, observations = unpack(KEYS)
local most, wakes = ARGV[1], ARGV[2]
local members = redis.call('SRANDMEMBER', deferred, most)
for _, each in ipairs(members) do
  local field, id = string.match(each, '^(%a+) (.+)$')
  redis.call('SREM', deferred, each)
  feed_append(observations, wakes, 'change', 'changed', field, id)
end
return #members
