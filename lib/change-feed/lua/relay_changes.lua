--- @include "include/feed"

local relay, ahead, transfer, observations = unpack(KEYS)
local a = cjson.decode(ARGV[1])
if (redis.call('GET', relay) or '') ~= a.expected then return 0 end
for _, each in ipairs(a.ahead) do
  if (redis.call('HGET', ahead, each.xid) or '') ~= each.from then return 0 end
end
redis.call('SET', relay, a.reached)
for _, each in ipairs(a.ahead) do redis.call('HSET', ahead, each.xid, each.to) end
for _, xid in ipairs(a.passed) do redis.call('HDEL', ahead, xid) end
if a.transfer then feed_append(transfer, a.wakes.transfer, 'change', a.transfer) end
if a.reset then feed_append(observations, a.wakes.observations, 'change', 'reset') end
for _, each in ipairs(a.records) do
  feed_append(observations, a.wakes.observations, 'change', 'changed', 'record', each.record,
    'left', each.left)
end
return 1
