-- Lists find the overlay of an executed unit by its place, and its feed entries contain the planned unit. Feed entries of an aggregate of
-- another table contain the table; lists of executed units do not show it.
local function place_of(aggregate)
  local r = redis.call('HMGET', aggregate.record, 'obs_unit_id', 'start_ms', 'table')
  return r[1], r[2], r[3]
end
local function show_aggregates(aggregates, by_start, by_unit, unknown)
  for _, each in ipairs(aggregates) do
    local unit, start_ms, of = place_of(each)
    if not of then index_overlay(by_start, by_unit, unknown, unit, start_ms, each.name) end
  end
end
-- Only the entry of the first aggregate contains the transaction.
local function tell_aggregates(aggregates, feed, wakes, change, id, known_unit)
  for i, each in ipairs(aggregates) do
    local unit, _, of = place_of(each)
    local entry = {'change', change, 'record', each.name, 'obs_unit_id', i == 1 and known_unit or unit or ''}
    if i == 1 then entry[#entry + 1] = 'transaction'; entry[#entry + 1] = id end
    if of then entry[#entry + 1] = 'table'; entry[#entry + 1] = of end
    feed_append(feed, wakes, unpack(entry))
  end
end
