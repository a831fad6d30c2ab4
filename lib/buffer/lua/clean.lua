--- @include "../../redis/lua/include/checks"
--- @include "include/bytes"
--- @include "include/aggregates"
--- @include "../../change-feed/lua/include/feed"
--- @include "include/overlay_index"
--- @include "include/shown"

local committed, stats, floor, feed, by_start, by_unit, unknown, by_record, set_aside = unpack(KEYS, 1, 9)
local remember, now, wakes, proofs = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], cjson.decode(ARGV[4])
local committed_state, cleaned_state = ARGV[5], ARGV[6]
must(is_number(remember) and remember > 0 and is_number(now), 'numbers')
must_be('zset', committed, by_start, by_unit, by_record, set_aside)
must_be('set', unknown)
must_be('hash', stats)
must_be('string', floor)
must_be('stream', feed)
must(tonumber(redis.call('GET', floor) or 0), 'floor')
local place = 10
for _, a in ipairs(proofs) do
  must(is_text(a.id) and is_reference(a.reference) and is_number(a.revision), 'proof')
  must_be('hash', KEYS[place])
  must_be_aggregates(a.aggregates, place + 1)
  a.tx, a.of = KEYS[place], aggregates_at(a.aggregates, place + 1)
  place = place + 1 + 2 * #a.aggregates
end
local cleaned = 0
for _, a in ipairs(proofs) do
  local tx, reference = a.tx, a.reference
  local lsn = redis.call('ZSCORE', committed, reference)
  local known = redis.call('HMGET', tx, 'revision', 'state', 'size', 'history', 'quiet', 'records')
  local counted = redis.call('HGET', stats, 'counted:' .. a.id)
  -- a later revision of the same transaction needs its own proof
  if lsn and known[1] and tonumber(known[1]) <= a.revision then
    -- reads now rely on the replicas for it: a replica that lacks it must not answer
    if tonumber(lsn) > tonumber(redis.call('GET', floor) or 0) then redis.call('SET', floor, lsn) end
    redis.call('ZREM', set_aside, reference)
    for _, each in ipairs(a.of) do redis.call('HDEL', each.overlay, 'b:' .. a.id, 's:' .. a.id, 'p:' .. a.id) end
    unindex_rows(by_record, a.of, cjson.decode(known[6] or '[]'), a.id)
    local state = known[2]
    if state == committed_state then
      state = cleaned_state
      redis.call('HSET', tx, 'state', state, 'history',
        string.sub(known[4] or '[]', 1, -2) .. ',' .. cjson.encode({at = now, state = state}) .. ']')
    end
    local size = tonumber(known[3] or counted or '')
    if size then
      count_bytes(stats, 'cleaned:' .. a.id, -size)
      redis.call('HDEL', tx, 'size')
      redis.call('HDEL', stats, 'counted:' .. a.id)
    end
    redis.call('HDEL', stats, 'cleaned:' .. a.id)
    redis.call('EXPIRE', tx, remember)
    for _, each in ipairs(a.of) do
      if redis.call('EXISTS', each.overlay) == 0 then
        local unit, start_ms = place_of(each)
        unindex_overlay(by_start, by_unit, unknown, unit, start_ms, each.name)
        redis.call('EXPIRE', each.record, remember)
      end
    end
    if state == cleaned_state and not known[5] then tell_aggregates(a.of, feed, wakes, state, a.id) end
    redis.call('ZREM', committed, reference)
    cleaned = cleaned + 1
  end
end
return cleaned
