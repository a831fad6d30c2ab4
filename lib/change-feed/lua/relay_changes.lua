--- @include "../../redis/lua/include/checks"
--- @include "include/feed"

local relay, ahead, transfer, observations = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'expected', 'reached')
must_have('table', a, 'ahead', 'passed', 'records', 'wakes')
must_have('string', a.wakes, 'transfer', 'observations')
must(a.transfer == nil or is_text(a.transfer), 'transfer')
for _, each in ipairs(a.records) do must_have('string', each, 'record', 'left', 'table') end
for _, xid in ipairs(a.passed) do must(is_text(xid), 'passed') end
must_be('hash', ahead)
must_be('stream', transfer, observations)
if (redis.call('GET', relay) or '') ~= a.expected then return 0 end
local reached = {}
for _, each in ipairs(a.ahead) do
  must_have('string', each, 'xid', 'from', 'to')
  if (redis.call('HGET', ahead, each.xid) or '') ~= each.from then return 0 end
  reached[#reached + 1] = each.xid
  reached[#reached + 1] = each.to
end
-- Append the entries first: after an interrupted run, the next one appends them again. It also removes the passed transactions.
if a.transfer then feed_append(transfer, a.wakes.transfer, 'change', a.transfer) end
if a.reset then feed_append(observations, a.wakes.observations, 'change', 'reset') end
for _, each in ipairs(a.records) do
  feed_append(observations, a.wakes.observations, 'change', 'changed', 'record', each.record,
    'left', each.left, 'table', each.table)
end
if #reached > 0 then redis.call('HSET', ahead, unpack(reached)) end
redis.call('SET', relay, a.reached)
if #a.passed > 0 then redis.call('HDEL', ahead, unpack(a.passed)) end
return 1
