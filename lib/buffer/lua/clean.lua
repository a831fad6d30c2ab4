--- @include "../../redis/lua/include/checks"
--- @include "include/bytes"
--- @include "../../change-feed/lua/include/feed"
--- @include "include/overlay_index"

local committed, stats, floor, feed, by_start, by_unit, unknown, set_aside = unpack(KEYS, 1, 8)
local remember, now, wakes, proofs = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], cjson.decode(ARGV[4])
local committed_state, cleaned_state = ARGV[5], ARGV[6]
must(is_number(remember) and remember > 0 and is_number(now), 'numbers')
must_be('zset', committed, by_start, by_unit, set_aside)
must_be('set', unknown)
must_be('hash', stats)
must_be('string', floor)
must_be('stream', feed)
must(tonumber(redis.call('GET', floor) or 0), 'floor')
for i, a in ipairs(proofs) do
  must(is_text(a.id) and is_text(a.aggregate) and is_reference(a.reference) and is_number(a.revision), 'proof')
  must_be('hash', KEYS[6 + 3 * i], KEYS[7 + 3 * i], KEYS[8 + 3 * i])
end
local cleaned = 0
for i, a in ipairs(proofs) do
  local tx, overlay, record, reference = KEYS[6 + 3 * i], KEYS[7 + 3 * i], KEYS[8 + 3 * i], a.reference
  local lsn = redis.call('ZSCORE', committed, reference)
  local known = redis.call('HMGET', tx, 'revision', 'state', 'size', 'history', 'quiet')
  local counted = redis.call('HGET', stats, 'counted:' .. a.id)
  -- a later revision of the same transaction needs its own proof
  if lsn and known[1] and tonumber(known[1]) <= a.revision then
    -- reads now rely on the replicas for it: a replica that lacks it must not answer
    if tonumber(lsn) > tonumber(redis.call('GET', floor) or 0) then redis.call('SET', floor, lsn) end
    redis.call('ZREM', set_aside, reference)
    redis.call('HDEL', overlay, 'b:' .. a.id, 's:' .. a.id)
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
    local r = redis.call('HMGET', record, 'obs_unit_id', 'start_ms')
    if redis.call('EXISTS', overlay) == 0 then
      unindex_overlay(by_start, by_unit, unknown, r[1], r[2], a.aggregate)
      redis.call('EXPIRE', record, remember)
    end
    if state == cleaned_state and not known[5] then
      feed_append(feed, wakes, 'change', state, 'record', a.aggregate,
        'obs_unit_id', r[1] or '', 'transaction', a.id)
    end
    redis.call('ZREM', committed, reference)
    cleaned = cleaned + 1
  end
end
return cleaned
