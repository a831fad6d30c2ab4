--- @include "../../redis/lua/include/checks"
--- @include "include/bytes"
--- @include "include/judge"
--- @include "../../change-feed/lua/include/feed"
--- @include "include/overlay_index"

local tx, pending, inflight, committed, overlay, record, stats, by_start, by_unit, unknown, feed, set_aside = unpack(KEYS)
local a, body = cjson.decode(ARGV[1]), ARGV[2]
must(is_reference(a.reference) and string.match(a.stamp, '^%d+$') and is_number(a.now_ms), 'reference')
must_have('string', a, 'id', 'aggregate', 'records', 'principal', 'wakes', 'patch', 'state', 'refused_outcome', 'lost_outcome')
must_have('table', a, 'repeat_refusals', 'changes')
must_be_texts(a.changes, 'changes')
must(a.status == nil or is_number(a.status), 'status')
must_be_steps(a.steps, a.place)
must_be('hash', tx, overlay, record, stats)
must_be('zset', pending, inflight, committed, by_start, by_unit, set_aside)
must_be('set', unknown)
must_be('stream', feed)

local known = redis.call('HMGET', tx, 'state', 'reference', 'lsn', 'reason', 'outcome', 'size', 'quiet')
local begun = redis.call('HGET', overlay, 'b:' .. a.id)
local is_new = not known[1] or known[5] == a.lost_outcome
local reference, stamp = a.reference, a.stamp
if is_new then
  -- an interrupted run has already assigned a stamp
  if begun then
    body = begun
    stamp = string.match(begun, '"stamp":(%d+)') or a.stamp
    reference = stamp .. ':' .. a.aggregate .. ':' .. a.id
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
local size = #body + 800
local r = read_record(record)
local unit, start_ms = r.unit, r.start_ms
if is_new then
  redis.call('HSET', overlay, 'b:' .. a.id, body, 's:' .. a.id, cjson.encode(flags))
  redis.call('ZADD', pending, stamp, reference)
end
if not a.repeat_refusals[known[5]] then
  for _, step in ipairs(a.steps) do
    local row = read_row(record, step)
    local is_change = step.kind == 'update'
    if is_change and step.is_tracked and not row.patch
      or not is_change and (not row.base or row.by == a.id or not row.by) then
      write_row(record, after_step(row, step, a.id, a.patch), step)
      if a.place and step.is_own and not is_change then
        unit, start_ms = a.place.obs_unit_id, string.format('%.0f', a.place.start_ms)
        save_place(record, a.place)
      end
    end
  end
end
if r.stamp < tonumber(stamp) then redis.call('HSET', record, 'stamp', stamp) end
redis.call('PERSIST', record)
if not known[6] then count_bytes(stats, 'counted:' .. a.id, size) end
if not a.has_no_feed then
  index_overlay(by_start, by_unit, unknown, unit, start_ms, a.aggregate)
  feed_append(feed, a.wakes, 'change', a.changes[flags.state] or a.change, 'record', a.aggregate,
    'obs_unit_id', unit or '', 'transaction', a.id)
end
if is_new then
  local fields = {'reference', reference, 'state', a.state, 'revision', 0, 'attempts', 0, 'size', known[6] or size,
    'records', a.records, 'principal', a.principal, 'outcome', '', 'reason', '',
    'history', '[' .. cjson.encode({at = a.now_ms, state = a.state}) .. ']'}
  local function add(name, value) fields[#fields + 1] = name; fields[#fields + 1] = value end
  -- the answer to a repeated request; that of a finish is kept in `record`, because its start may be restored later
  if a.status then add('patch', a.patch); add('status', a.status) end
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
