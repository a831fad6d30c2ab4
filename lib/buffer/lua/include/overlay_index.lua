-- Indexes of the aggregates that have an overlay. `by_start` is a zset by start time; `by_unit` orders
-- `<planned unit>:<start>:<aggregate>` as text, so that one key serves every planned unit and a range finds one unit's;
-- `unknown` holds those of which the site knows neither.
local function is_placed(unit, start_ms)
  local n, ms = tonumber(unit or ''), tonumber(start_ms or '')
  return n and ms and n == n and ms == ms and math.abs(n) < 1e15 and math.abs(ms) < 1e15
end
local function unit_member(unit, start_ms, aggregate)
  return string.format('%010d:%015d:%s', tonumber(unit), math.max(0, tonumber(start_ms)), aggregate)
end
local function index_overlay(by_start, by_unit, unknown, unit, start_ms, aggregate)
  if is_placed(unit, start_ms) then
    redis.call('ZADD', by_start, start_ms, aggregate)
    redis.call('ZADD', by_unit, 0, unit_member(unit, start_ms, aggregate))
    redis.call('SREM', unknown, aggregate)
  else
    redis.call('SADD', unknown, aggregate)
  end
end
local function unindex_overlay(by_start, by_unit, unknown, unit, start_ms, aggregate)
  redis.call('SREM', unknown, aggregate)
  redis.call('ZREM', by_start, aggregate)
  if is_placed(unit, start_ms) then redis.call('ZREM', by_unit, unit_member(unit, start_ms, aggregate)) end
end
