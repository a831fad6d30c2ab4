--- @include "../../redis/lua/include/checks"

local pending, inflight, main_down, committed = unpack(KEYS, 1, 4)
local now, lease_end, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local asks, lost_outcome = ARGV[4] == 'always', ARGV[5]
must(is_number(now) and is_number(lease_end) and is_number(limit) and limit >= 0 and limit <= 3000, 'numbers')
must_be('zset', pending, inflight, committed)
for i = 5, #KEYS do must_be('hash', KEYS[i]) end
local is_away = not asks and redis.call('EXISTS', main_down) == 1

-- Add before removing: an interrupted run leaves a transaction in both sets, and the next run completes the move.
local function lease(references)
  if #references == 0 then return end
  local entries = {}
  for _, reference in ipairs(references) do
    entries[#entries + 1] = ARGV[2]
    entries[#entries + 1] = reference
  end
  redis.call('ZADD', inflight, unpack(entries))
  redis.call('ZREM', pending, unpack(references))
end

-- return expired leases to pending
for _, reference in ipairs(redis.call('ZRANGE', inflight, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  if is_reference(reference) then redis.call('ZADD', pending, string.match(reference, '^%d+'), reference) end
  redis.call('ZREM', inflight, reference)
end

-- classify and claim the copies
local copies, mine, work = {}, {}, asks
for i = 5, #KEYS, 2 do
  local known = redis.call('HMGET', KEYS[i], 'reference', 'outcome', 'state')
  local id = string.match(known[1] or '', '[^:]+$') or ''
  local has_body = redis.call('HEXISTS', KEYS[i + 1], 'b:' .. id) == 1
  local state = 'unknown'
  if known[1] and known[2] ~= lost_outcome then
    if redis.call('ZSCORE', pending, known[1]) then
      state = is_away and 'busy' or 'claimed'
      if not is_away then mine[#mine + 1] = known[1] end
    elseif redis.call('ZSCORE', inflight, known[1]) then
      state = 'busy'
    elseif redis.call('ZSCORE', committed, known[1]) and not has_body then
      state = 'incomplete'
    else
      state = 'recorded'
    end
  end
  work = work or state == 'unknown' or state == 'claimed'
  copies[#copies + 1] = state
end
local is_mine = {}
for _, reference in ipairs(mine) do is_mine[reference] = true end

-- A processor without work of its own leaves the backlog to others, so that it receives its next messages sooner.
local oldest, all = {}, {unpack(mine)}
if limit > 0 and work and not is_away then
  for _, reference in ipairs(redis.call('ZRANGE', pending, 0, limit - 1)) do
    if not is_mine[reference] then
      oldest[#oldest + 1] = reference
      all[#all + 1] = reference
    end
  end
end
lease(all)
return {copies, oldest, redis.call('ZCARD', pending), is_away and 1 or 0}
