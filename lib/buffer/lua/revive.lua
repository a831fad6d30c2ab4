--- @include "../../redis/lua/include/checks"
--- @include "include/aggregates"
--- @include "../../change-feed/lua/include/feed"
--- @include "include/overlay_index"
--- @include "include/shown"

local pending, committed, set_aside, feed = unpack(KEYS, 1, 4)
local references, reason, now, wakes = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local states = cjson.decode(ARGV[5])
must(is_number(now), 'clock')
must_have('string', states, 'again', 'lost', 'lost_change', 'lost_outcome')
must_be('zset', pending, committed, set_aside)
must_be('stream', feed)
local place, named = 5, {}
for i, reference in ipairs(references) do
  must(is_reference(reference), 'reference')
  local names = names_in(reference)
  must_be('hash', KEYS[place])
  must_be_aggregates(names, place + 1)
  named[i] = {tx = KEYS[place], of = aggregates_at(names, place + 1)}
  place = place + 1 + 2 * #names
end
local revived, lost = 0, {}
for i, reference in ipairs(references) do
  local tx, overlay = named[i].tx, named[i].of[1].overlay
  local stamp, id = string.match(reference, '^(%d+):[^:]+:([^:]+)$')
  if redis.call('ZSCORE', committed, reference) then
    local known = redis.call('HMGET', tx, 'history', 'quiet', 'state')
    local history = known[1] or '[]'
    local function later(state)
      if known[3] == state then return history end
      local entry = cjson.encode({at = now, state = state})
      return history == '[]' and '[' .. entry .. ']' or string.sub(history, 1, -2) .. ',' .. entry .. ']'
    end
    if redis.call('HEXISTS', overlay, 'b:' .. id) == 1 then
      redis.call('HSET', tx, 'state', states.again, 'revision', 0, 'history', later(states.again))
      redis.call('HSET', overlay, 's:' .. id, cjson.encode({state = states.again, verified = true}))
      redis.call('ZREM', set_aside, reference)
      redis.call('ZADD', pending, stamp, reference)
      revived = revived + 1
    else
      -- the body is lost: show it as failed; if a copy arrives after all, it is executed
      redis.call('HSET', tx, 'reference', reference, 'state', states.lost, 'outcome', states.lost_outcome, 'reason', reason, 'revision', 0,
        'history', later(states.lost))
      redis.call('HSETNX', tx, 'records', '[]')
      redis.call('HSETNX', tx, 'attempts', 1)
      redis.call('PERSIST', tx)
      redis.call('ZADD', set_aside, stamp, reference)
      if not known[2] then tell_aggregates(named[i].of, feed, wakes, states.lost_change, id) end
      lost[#lost + 1] = id
    end
    redis.call('ZREM', committed, reference)
  end
end
return {revived, lost}
