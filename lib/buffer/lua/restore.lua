--- @include "../../redis/lua/include/checks"
--- @include "include/bytes"
--- @include "include/judge"
--- @include "include/aggregates"
--- @include "../../change-feed/lua/include/feed"
--- @include "include/overlay_index"
--- @include "include/shown"

local tx, pending, inflight, committed, stats, by_start, by_unit, unknown, by_record, feed, set_aside = unpack(KEYS, 1, 11)
local first_aggregate = 12
local a, body = cjson.decode(ARGV[1]), ARGV[2]
must(is_reference(a.reference) and string.match(a.stamp, '^%d+$') and is_number(a.now_ms), 'reference')
must_have('string', a, 'id', 'records', 'principal', 'wakes', 'patch', 'state', 'refused_outcome', 'lost_outcome')
must_have('table', a, 'repeat_refusals', 'changes', 'tables')
local row_ids = cjson.decode(a.records)
must_be_texts(row_ids, 'records')
must(a.waits_for == nil or is_text(a.waits_for), 'waits_for')
must_be_aggregates(a.aggregates, first_aggregate, a.tables)
must_be_texts(a.changes, 'changes')
must(a.status == nil or is_number(a.status), 'status')
must_be_steps(a.steps, a.place, #a.aggregates)
must_be('hash', tx, stats)
must_be('zset', pending, inflight, committed, by_start, by_unit, by_record, set_aside)
must_be('set', unknown)
must_be('stream', feed)

local aggregates = aggregates_at(a.aggregates, first_aggregate)
local overlay = aggregates[1].overlay
local known = redis.call('HMGET', tx, 'state', 'reference', 'lsn', 'reason', 'outcome', 'size', 'quiet')
local begun = redis.call('HGET', overlay, 'b:' .. a.id)
local is_new = not known[1] or known[5] == a.lost_outcome
local reference, stamp = a.reference, a.stamp
if is_new then
  -- an interrupted run has already assigned a stamp
  if begun then
    body = begun
    stamp = string.match(begun, '"stamp":(%d+)') or a.stamp
    reference = stamp .. ':' .. table.concat(a.aggregates, ',') .. ':' .. a.id
  end
else
  reference = known[2]
  local is_held = redis.call('ZSCORE', pending, reference) or redis.call('ZSCORE', inflight, reference)
    or redis.call('ZSCORE', committed, reference)
  -- the entry is complete, or every replica has the transaction
  if begun or not is_held then
    redis.call('HDEL', stats, 'counted:' .. a.id)
    return 0
  end
end

local flags = {state = a.state, verified = true}
if not is_new then
  flags = {state = known[1], lsn = known[3] or nil, reason = known[4] or nil, refused = known[5] == a.refused_outcome, verified = true}
end
local size = #body + 700 + 100 * #aggregates
point_to_first(aggregates, a.id)
index_rows(by_record, aggregates, row_ids, a.id)
if is_new then
  redis.call('HSET', overlay, 'b:' .. a.id, body, 's:' .. a.id, cjson.encode(flags))
  redis.call('ZADD', pending, stamp, reference)
end
if not a.repeat_refusals[known[5]] then
  for _, step in ipairs(a.steps) do
    local row = read_row(aggregates, step)
    local is_change = step.kind == 'update'
    if is_change and step.is_tracked and not row.patch
      or not is_change and (not row.base or row.by == a.id or not row.by) then
      write_row(aggregates, after_step(row, step, a.id, a.patch), step)
      if a.place and step.is_own and not step.at and not is_change then save_place(aggregates[1].record, a.place) end
    end
  end
end
for i, each in ipairs(aggregates) do
  if a.tables[i] ~= '' then redis.call('HSET', each.record, 'table', a.tables[i]) end
  if read_record(each.record).stamp < tonumber(stamp) then redis.call('HSET', each.record, 'stamp', stamp) end
  redis.call('PERSIST', each.record)
end
if not known[6] then count_bytes(stats, 'counted:' .. a.id, size) end
if not a.has_no_feed then
  show_aggregates(aggregates, by_start, by_unit, unknown)
  tell_aggregates(aggregates, feed, a.wakes, a.changes[flags.state] or a.change, a.id)
end
if is_new then
  local fields = {'reference', reference, 'state', a.state, 'revision', 0, 'attempts', 0, 'size', known[6] or size,
    'records', a.records, 'principal', a.principal, 'outcome', '', 'reason', '',
    'history', '[' .. cjson.encode({at = a.now_ms, state = a.state}) .. ']'}
  local function add(name, value) fields[#fields + 1] = name; fields[#fields + 1] = value end
  -- the answer to a repeated request; that of a finish is kept in `record`, because its start may be restored later
  if a.status then add('patch', a.patch); add('status', a.status) end
  if a.waits_for then add('waits_for', a.waits_for) end
  if a.has_no_feed then add('quiet', '1') end
  redis.call('ZREM', set_aside, reference)
  redis.call('PERSIST', tx)
  redis.call('HSET', tx, unpack(fields))
  redis.call('HDEL', stats, 'counted:' .. a.id)
else
  if not known[6] then redis.call('HSET', tx, 'size', size) end
  redis.call('HDEL', stats, 'counted:' .. a.id)
  redis.call('HSET', overlay, 'b:' .. a.id, body, 's:' .. a.id, cjson.encode(flags))
end
return 1
