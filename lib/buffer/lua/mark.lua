--- @include "../../redis/lua/include/checks"
--- @include "include/record"
--- @include "include/aggregates"
--- @include "../../change-feed/lua/include/feed"
--- @include "include/overlay_index"
--- @include "include/shown"

local pending, inflight, committed, main_down, feed, set_aside, drained, by_start, by_unit, unknown = unpack(KEYS, 1, 10)
local lsn, lsn_text, now, wakes, rows = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], cjson.decode(ARGV[5])
must(string.match(lsn, '^%d+$') and is_number(now), 'position or clock')
must_be('zset', pending, inflight, committed, set_aside, by_start, by_unit)
must_be('set', unknown)
must_be('stream', feed)
must_be('string', drained)
must(tonumber(redis.call('GET', drained) or 0), 'count')
local place = 11
for _, a in ipairs(rows) do
  must(is_reference(a.reference) and is_number(a.revision) and is_number(a.attempts), 'row')
  must_have('string', a, 'id', 'outcome', 'state', 'change', 'reason', 'records', 'obs_unit_id')
  a.record_ids = cjson.decode(a.records)
  must_be_texts(a.record_ids, 'records')
  must(a.waits_for == nil or is_text(a.waits_for), 'waits_for')
  must_be('hash', KEYS[place])
  must_be_aggregates(a.aggregates, place + 1)
  a.tx, a.of = KEYS[place], aggregates_at(a.aggregates, place + 1)
  place = place + 1 + 2 * #a.aggregates
end

-- Removes the changes of a refused or discarded transaction from `record`, so that a corrected one can be accepted.
local function forget(a)
  for _, each in ipairs(a.of) do
    local r = read_record(each.record)
    local own = r.own
    if own.patch and own.changed_by == a.id then forget_own_change(each.record) end
    if own.base and own.by == a.id then
      unindex_overlay(by_start, by_unit, unknown, r.unit, r.start_ms, each.name)
      if redis.call('EXISTS', each.overlay) == 1 then redis.call('SADD', unknown, each.name) end
      forget_own_creation(each.record)
    end
    for _, id in ipairs(a.record_ids) do forget_row(each.record, id, a.id) end
  end
end

redis.call('DEL', main_down)
local marked, incomplete = 0, {}
for _, a in ipairs(rows) do
  local tx, overlay = a.tx, a.of[1].overlay
  local known = redis.call('HMGET', tx, 'revision', 'reference', 'history', 'quiet')
  local has_body = redis.call('HEXISTS', overlay, 'b:' .. a.id) == 1
  if (tonumber(known[1] or 0) or 0) < a.revision then
    local history = known[3] or '[]'
    local entry = cjson.encode({at = now, state = a.state})
    history = history == '[]' and '[' .. entry .. ']' or string.sub(history, 1, -2) .. ',' .. entry .. ']'
    redis.call('ZADD', committed, lsn, a.reference)
    if a.is_applied then
      redis.call('ZREM', set_aside, a.reference)
    else
      redis.call('ZADD', set_aside, string.match(a.reference, '^%d+'), a.reference)
    end
    if has_body then
      redis.call('HSET', overlay, 's:' .. a.id, cjson.encode({state = a.state, lsn = lsn_text,
        reason = a.reason, refused = a.is_refused}))
    end
    if a.is_abandoned then forget(a) end
    if not known[4] then
      tell_aggregates(a.of, feed, wakes, a.change, a.id, a.obs_unit_id)
    end
    redis.call('PERSIST', tx)
    redis.call('HSET', tx, 'reference', a.reference, 'state', a.state, 'outcome', a.outcome, 'revision', a.revision,
      'lsn', lsn_text, 'attempts', a.attempts, 'reason', a.reason, 'records', a.records, 'history', history)
    if a.waits_for then redis.call('HSET', tx, 'waits_for', a.waits_for) else redis.call('HDEL', tx, 'waits_for') end
    marked = marked + 1
  end
  if known[2] and known[2] ~= a.reference then
    redis.call('ZREM', pending, known[2])
    redis.call('ZREM', inflight, known[2])
  end
  redis.call('ZREM', pending, a.reference)
  redis.call('ZREM', inflight, a.reference)
  if not has_body and redis.call('ZSCORE', committed, a.reference) then incomplete[#incomplete + 1] = a.id end
end
if marked > 0 then
  redis.call('INCRBY', drained, marked)
  redis.call('EXPIRE', drained, 120)
end
return {marked, incomplete}
