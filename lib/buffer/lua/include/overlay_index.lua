-- Indexes of the aggregates that have an overlay:
--   by_start  sorted set by start time
--   by_unit   sorted set of `<planned unit>:<start>:<aggregate>` in lexical order: a range of it belongs to one planned unit
--   unknown   set of aggregates whose planned unit and start are unknown
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
