--- @include "../../redis/lua/include/checks"
--- @include "include/bytes"
--- @include "include/judge"
--- @include "include/aggregates"
--- @include "../../change-feed/lua/include/feed"
--- @include "include/overlay_index"
--- @include "include/shown"

local tx, pending, idem, credential, users_loaded, user, rate_now, rate_before, stats, by_start, by_unit, unknown, by_record,
  feed, tx_alias, target, former = unpack(KEYS, 1, 17)
local first_aggregate = 18
local a, rest, patch = cjson.decode(ARGV[1]), ARGV[2], ARGV[3]
local left
local function refuse(why, detail) return cjson.encode({refused = why, detail = detail, left = left}) end

-- check every argument, and the type of every key
must_have('string', a, 'id', 'alias', 'records', 'principal', 'permission', 'former', 'wakes', 'state', 'change',
  'cleaned_state')
must_have('number', a, 'stamp', 'status', 'unknown_status', 'now_ms', 'rest_of_window', 'rate_limit', 'budget')
must_have('table', a, 'repeat_refusals', 'tables')
local row_ids = cjson.decode(a.records)
must_be_texts(row_ids, 'records')
must(a.waits_for == nil or is_text(a.waits_for), 'waits_for')
must_be_aggregates(a.aggregates, first_aggregate, a.tables)
must_be_texts(a.filled, 'filled')
must_be_steps(a.steps, a.place, #a.aggregates)
must(string.sub(rest, -1) == '}' and string.sub(patch, -1) == '}', 'texts')
must_be('hash', tx, tx_alias, target, former, stats, user)
if a.credential == 'api-token' then must_be('hash', credential) end
must_be('zset', pending, by_start, by_unit, by_record)
must_be('set', unknown)
must_be('string', idem, rate_now, rate_before)
must_be('stream', feed)
local before = tonumber(redis.call('GET', rate_before) or 0)
must(before and tonumber(redis.call('GET', rate_now) or 0), 'rate')

local aggregates = aggregates_at(a.aggregates, first_aggregate)
local overlay = aggregates[1].overlay

-- authenticate and authorize
local owner = redis.call('HMGET', user, 'active', 'permissions')
local are_loaded = redis.call('EXISTS', users_loaded) == 1
local token
if a.credential == 'api-token' then
  token = redis.call('HMGET', credential, 'principal', 'permissions', 'expires_at', 'revoked', 'uses', 'used_by')
  if not token[1] and not are_loaded then return refuse('users_missing') end
  if token[1] ~= a.principal then return refuse('unauthorized', 'The API token is unknown.') end
  if token[4] == '1' then return refuse('unauthorized', 'The API token has been revoked.') end
  if token[3] ~= '' and tonumber(token[3]) * 1000 <= a.now_ms then
    return refuse('unauthorized', 'The API token has expired.')
  end
  if a.permission ~= '' and not string.find(' ' .. token[2] .. ' ', ' ' .. a.permission .. ' ', 1, true) then return refuse('forbidden') end
elseif a.credential == 'session' and redis.call('EXISTS', credential) == 1 then
  return refuse('unauthorized', 'The session has been revoked.')
end
if a.credential ~= 'none' then
  -- a credential never grants more than its owner currently has
  if not owner[1] and not are_loaded then return refuse('users_missing') end
  if owner[1] == '0' then return refuse('unauthorized', 'The owner of this credential has been deactivated.') end
  if owner[2] and a.permission ~= '' and not string.find(' ' .. owner[2] .. ' ', ' ' .. a.permission .. ' ', 1, true) then
    return refuse('forbidden')
  end

  -- limit the rate: a sliding window of one second counts each request once, refused or not
  if a.former == '' then
    local used = redis.call('INCR', rate_now)
    redis.call('EXPIRE', rate_now, 3)
    left = math.floor(a.rate_limit - used - before * a.rest_of_window)
    if left < 0 then
      redis.call('DECR', rate_now)
      left = 0
      return refuse('too_many')
    end
  end
end

-- recognize a repeated request, also by the id that the first release would have derived for it
local function entry_of(key)
  local t = redis.call('HMGET', key, 'state', 'outcome', 'reason', 'patch', 'base', 'status')
  return t[1] and {key = key, state = t[1], outcome = t[2], reason = t[3] or '', patch = t[4], base = t[5], status = t[6]}
end
local function repeat_refusal_of(t) return t and (a.repeat_refusals[t.state] or a.repeat_refusals[t.outcome]) end
local function states_of(t)
  local states = {t.state}
  local fields = redis.call('HGETALL', overlay)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 's:' then states[#states + 1] = cjson.decode(fields[i + 1]).state end
  end
  return states
end
local known = entry_of(tx) or entry_of(tx_alias)
if repeat_refusal_of(known) then return refuse(repeat_refusal_of(known), known.reason) end
local function replay(t)
  return cjson.encode({replayed = true, patch = t.patch, base = t.base, status = tonumber(t.status), states = states_of(t),
    left = left})
end
if known and known.patch then
  redis.call('HDEL', stats, 'counted:' .. a.id)
  return replay(known)
end
local key_of = redis.call('GET', idem)
if key_of and key_of ~= a.id and key_of ~= a.alias then
  -- a key is free again once its transaction was refused or discarded; `former` is that transaction, known from a first run
  if a.former ~= key_of or not repeat_refusal_of(entry_of(former)) then return refuse('key_reused', key_of) end
end

-- judge the steps by the rows that the site knows
local highest = 0
for _, each in ipairs(aggregates) do
  each.known = read_record(each.record)
  highest = math.max(highest, each.known.stamp)
end
local verdict, rows = judge(aggregates, a.steps, a.id, patch)
local base, status = verdict.base, a.status
if not verdict.is_known then status = a.unknown_status end
if known then
  -- a processor has restored the entry from a copy: only the answer is missing
  local noted
  for _, step in ipairs(a.steps) do
    local row = read_row(aggregates, step)
    if step.is_tracked and step.kind == 'update' and row.changed_by == a.id then noted = row.patch end
  end
  if noted then patch = noted
  else
    -- the site does not know which clock main used
    for _, column in ipairs(a.filled) do
      patch = string.gsub(patch, '"' .. column .. '":"[^"]*"', '"' .. column .. '":null', 1)
    end
  end
  if a.has_key then redis.call('SET', idem, a.id, 'EX', 2592000) end
  if base then redis.call('HSET', known.key, 'patch', patch, 'status', status, 'base', base)
  else redis.call('HSET', known.key, 'patch', patch, 'status', status) end
  known.patch, known.base, known.status = patch, base, status
  return replay(known)
end
if verdict.is == 'taken' then return refuse('taken') end
if verdict.is == 'refused' then return refuse('finished', verdict.value) end
if verdict.is == 'out_of_order' then return refuse('before_start', verdict.value) end
if verdict.is == 'repeated' then
  local flags = redis.call('HGET', overlay, 's:' .. (verdict.row.changed_by or verdict.row.by or ''))
  local state = flags and cjson.decode(flags).state or a.cleaned_state
  return cjson.encode({repeated = true, patch = verdict.row.patch or verdict.row.base or patch, base = base, status = status, state = state,
    states = states_of({state = state}), left = left})
end

-- limit the size of the buffer
local size = #rest + 2 * #patch + 700 + 100 * #aggregates
local begun = redis.call('HGET', overlay, 'b:' .. a.id)
if not begun and tonumber(redis.call('HGET', stats, 'bytes') or 0) + size > a.budget then return refuse('full') end

-- From here on no check or command fails. A repeated run continues with the stamp that an interrupted run assigned.
local stamp = begun and string.match(begun, '"stamp":(%d+)') or string.format('%.0f', math.max(a.stamp, highest + 1))
local reference = stamp .. ':' .. table.concat(a.aggregates, ',') .. ':' .. a.id
redis.call('HSET', overlay, 'b:' .. a.id, '{"stamp":' .. stamp .. ',' .. rest,
  's:' .. a.id, cjson.encode({state = a.state, verified = verdict.is_known}))
point_to_first(aggregates, a.id)
index_rows(by_record, aggregates, row_ids, a.id)
redis.call('ZADD', pending, stamp, reference)
if token and token[6] ~= a.id then
  redis.call('HSET', credential, 'uses', string.format('%.0f', (tonumber(token[5] or 0) or 0) + 1), 'used_at', a.now_ms,
    'used_by', a.id)
end
if a.has_key then redis.call('SET', idem, a.id, 'EX', 2592000) end
if a.place then save_place(aggregates[1].record, a.place) end
save_rows(aggregates, a.steps, rows)
for i, each in ipairs(aggregates) do
  if a.tables[i] ~= '' then redis.call('HSET', each.record, 'table', a.tables[i]) end
  if tonumber(stamp) > each.known.stamp then redis.call('HSET', each.record, 'stamp', stamp) end
  redis.call('PERSIST', each.record)
end
count_bytes(stats, 'counted:' .. a.id, size)
if not a.has_no_feed then
  show_aggregates(aggregates, by_start, by_unit, unknown)
  tell_aggregates(aggregates, feed, a.wakes, a.change, a.id)
end
if a.discards and redis.call('EXISTS', target) == 1 then redis.call('HSET', target, 'discard', a.id) end
local fields = {'reference', reference, 'state', a.state, 'revision', 0, 'attempts', 0, 'size', size,
  'records', a.records, 'principal', a.principal, 'patch', patch, 'status', status,
  'history', '[' .. cjson.encode({at = a.now_ms, state = a.state}) .. ']'}
if base then fields[#fields + 1] = 'base'; fields[#fields + 1] = base end
if a.waits_for then fields[#fields + 1] = 'waits_for'; fields[#fields + 1] = a.waits_for end
if a.has_no_feed then fields[#fields + 1] = 'quiet'; fields[#fields + 1] = '1' end
redis.call('HSET', tx, unpack(fields))
redis.call('HDEL', stats, 'counted:' .. a.id)
return cjson.encode({accepted = true, stamp = stamp, patch = patch, base = base, status = status, left = left})
