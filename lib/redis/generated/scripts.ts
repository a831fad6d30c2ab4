// Written by: npm run lua
import { script } from '../script.ts';

/** lib/redis/lua/include/checks.lua */
const checks = `local function must(is_so, what)
  if not is_so then error('argument: ' .. what, 0) end
end
local function is_number(n) return type(n) == 'number' and n == n and n ~= math.huge and n ~= -math.huge end
local function is_text(t) return type(t) == 'string' end
local function is_reference(t) return is_text(t) and string.match(t, '^%d+:[^:]+:[^:]+$') ~= nil end
local function must_be(kind, ...)
  for _, key in ipairs({...}) do
    local found = redis.call('TYPE', key)
    if type(found) == 'table' then found = found.ok end
    must(found == 'none' or found == kind, 'a key holds a ' .. tostring(found) .. ', not a ' .. kind)
  end
end
local function must_have(kind, a, ...)
  must(type(a) == 'table', 'table')
  for _, name in ipairs({...}) do must(type(a[name]) == kind and (kind ~= 'number' or is_number(a[name])), name) end
end
local function must_be_texts(texts, what)
  if texts == nil then return end
  must(type(texts) == 'table', what)
  for _, text in pairs(texts) do must(is_text(text), what) end
end
`;

/** lib/buffer/lua/include/bytes.lua */
const bytes = `local function count_bytes(stats, name, size)
  if redis.call('HEXISTS', stats, name) == 1 then return end
  local bytes = tonumber(redis.call('HGET', stats, 'bytes') or 0) or 0
  redis.call('HSET', stats, 'bytes', string.format('%.0f', bytes + size), name, string.format('%.0f', size))
end
`;

/** lib/buffer/lua/include/record.lua */
const record = `local function microseconds(text) return (string.gsub(text or '', '^(.*%.%d%d%d)Z$', '%1000Z')) end
local function milliseconds(text) return (string.gsub(text or '', '^(.*%.%d%d%d)%d%d%dZ$', '%1Z')) end
local function unquoted(text) return (string.gsub(text or '', '^"(.*)"$', '%1')) end
local function quoted(text) return text and text ~= '' and '"' .. text .. '"' or nil end
local function author_in(text) return text and string.match(text, '^.*"transaction_id":"([^"]*)"') or nil end
local function own_row(r)
  local base, status, patch = r[1] or nil, r[3] or nil, r[7] or nil
  local function created(column)
    local _, at = string.find(base or '', '"' .. column .. '":', 1, true)
    return at and string.match(base, '^"([^"]*)"', at + 1)
  end
  local row = {by = r[2] or author_in(base), base = base, values = {}, has_former_texts = not r[8]}
  row.values.start_time, row.values.status = quoted(microseconds(created('start_time'))), quoted(created('status'))
  if status then
    row.changed_by, row.patch = r[8] or author_in(patch), patch
    row.values.status = quoted(status)
    row.values.end_time = quoted(r[5] or microseconds(r[4] or ''))
    row.values.metadata = r[6] and r[6] ~= '' and r[6] or nil
  end
  return row
end
local function read_record(record)
  local r = redis.call('HMGET', record, 'base', 'started_by', 'given_status', 'end_time', 'end_at', 'given_metadata', 'finish',
    'finished_by', 'obs_unit_id', 'start_ms', 'stamp')
  return {own = own_row(r), unit = r[9], start_ms = r[10], stamp = tonumber(r[11] or 0) or 0}
end
local function read_row(aggregates, step)
  local record = aggregates[step.at or 1].record
  if step.is_own then return read_record(record).own end
  local text = redis.call('HGET', record, 'row:' .. step.row)
  return text and cjson.decode(text) or {values = {}}
end
local function forget_own_creation(record) redis.call('HDEL', record, 'obs_unit_id', 'start_ms', 'base', 'started_by') end
local function forget_own_change(record)
  redis.call('HDEL', record, 'given_status', 'end_time', 'end_at', 'given_metadata', 'finish', 'finished_by')
end
local function forget_row(record, row_id, id)
  local text = redis.call('HGET', record, 'row:' .. row_id)
  local row = text and cjson.decode(text)
  if row and row.by == id then redis.call('HDEL', record, 'row:' .. row_id)
  elseif row and row.changed_by == id then
    redis.call('HSET', record, 'row:' .. row_id, cjson.encode({by = row.by, base = row.base, values = {}}))
  end
end
local function write_own_row(record, row, step)
  if step.kind == 'delete' then
    forget_own_creation(record)
    forget_own_change(record)
  elseif row.patch and step.kind ~= 'create' then
    local ended = row.values.end_time ~= 'null' and unquoted(row.values.end_time) or ''
    redis.call('HSET', record, 'given_status', unquoted(row.values.status), 'end_time', milliseconds(ended), 'end_at',
      microseconds(ended), 'given_metadata', row.values.metadata or '', 'finish', row.patch, 'finished_by', row.changed_by)
  elseif row.base then
    redis.call('HSET', record, 'base', row.base, 'started_by', row.by)
  end
end
local function write_row(aggregates, row, step)
  local record = aggregates[step.at or 1].record
  if step.is_own then write_own_row(record, row, step)
  elseif step.kind == 'delete' then redis.call('HDEL', record, 'row:' .. step.row)
  else redis.call('HSET', record, 'row:' .. step.row, cjson.encode(row)) end
end
local function save_place(record, place)
  redis.call('HSET', record, 'obs_unit_id', place.obs_unit_id, 'start_ms', string.format('%.0f', place.start_ms))
end
`;

/** lib/buffer/lua/include/judge.lua */
const judge = `local function must_be_steps(steps, place, count)
  must(type(steps) == 'table', 'steps')
  for _, step in ipairs(steps) do
    must_have('string', step, 'kind', 'row')
    must_have('table', step, 'values')
    must(step.at == nil or is_number(step.at) and step.at >= 1 and step.at <= count, 'at')
    must(type(step.allowed or {}) == 'table' and (step.text == nil or is_text(step.text)), 'step')
    for _, allowed in pairs(step.allowed or {}) do must_be_texts(allowed, 'allowed') end
    must_be_texts(step.values, 'values')
    must_be_texts(step.given, 'given')
    must_be_texts(step.former, 'former')
    must_be_texts(step.in_order, 'in_order')
    must_be_texts(step.replaced, 'replaced')
  end
  if place ~= nil then must_have('number', place, 'obs_unit_id', 'start_ms') end
end
local function after_step(row, step, id, text)
  if step.kind == 'delete' then return {values = {}} end
  local values = {}
  for column, value in pairs(row.values) do values[column] = value end
  if step.kind == 'update' and not step.is_tracked then
    for _, column in ipairs(step.replaced or {}) do values[column] = nil end
    return {by = row.by, base = row.base, values = values, changed_by = row.changed_by, patch = row.patch}
  end
  local is_change = step.kind == 'update' or step.kind == 'put' and row.base ~= nil
  if step.is_own and is_change then values.metadata = nil end
  local is_earlier = step.kind == 'create' and row.patch ~= nil
  for column, value in pairs(step.values) do
    if not (is_earlier and values[column]) then values[column] = value end
  end
  local after = {by = row.by, base = row.base, values = values, changed_by = row.changed_by, patch = row.patch}
  if is_change then after.changed_by, after.patch = id, step.text or text
  else after.by, after.base = row.by or id, row.base or step.text or text end
  return after
end
local function unmet_column(row, step)
  for column, allowed in pairs(step.allowed or {}) do
    local known, is_allowed = row.values[column], false
    for _, each in ipairs(allowed) do is_allowed = is_allowed or known == each end
    if known and not is_allowed then return column end
  end
end
local function is_repeat(row, step)
  for _, column in ipairs(step.given or {}) do
    local known = row.values[column]
    local is_same = known == step.values[column] or row.has_former_texts and known ~= nil and known == (step.former or {})[column]
    if not is_same then return false end
  end
  return step.given ~= nil
end
local function judge(aggregates, steps, id, text)
  local rows, made, was_saved = {}, {}, {}
  local verdict = {is = 'met', is_known = true, base = false}
  local function judged(is, value, row)
    verdict.is, verdict.value, verdict.row = is, unquoted(value), row
    return verdict, rows
  end
  for _, step in ipairs(steps) do
    local row = rows[step.row]
    if not row then
      row = step.is_own and aggregates[step.at or 1].known.own or read_row(aggregates, step)
      was_saved[step.row] = row.changed_by == id
    end
    if step.kind == 'create' then
      if row.base and row.by ~= id then return judged('taken') end
      made[step.row] = true
    elseif step.kind == 'update' and not made[step.row] then
      verdict.is_known = verdict.is_known and row.base ~= nil
      verdict.base = verdict.base or row.base or false
      if not was_saved[step.row] then
        local column = unmet_column(row, step)
        if column then
          if is_repeat(row, step) then return judged('repeated', nil, row) end
          return judged('refused', row.values[column])
        end
      end
      if step.in_order then
        local began, ended = row.values[step.in_order[1]], step.values[step.in_order[2]]
        if began and ended and #began == 29 and #ended == 29 and ended < began then
          return judged('out_of_order', began)
        end
      end
    end
    rows[step.row] = after_step(row, step, id, text)
  end
  return verdict, rows
end
local function save_rows(aggregates, steps, rows)
  for _, step in ipairs(steps) do
    local row = rows[step.row]
    if step.is_tracked or step.kind ~= 'update' or row.patch then write_row(aggregates, row, step) end
  end
end
`;

/** lib/buffer/lua/include/aggregates.lua */
const aggregates = `local function must_be_aggregates(names, from, tables)
  must(type(names) == 'table' and #names > 0, 'aggregates')
  must_be_texts(names, 'aggregates')
  for i in ipairs(names) do
    must(not tables or is_text(tables[i]), 'tables')
    must_be('hash', KEYS[from + 2 * i - 2], KEYS[from + 2 * i - 1])
  end
end
local function aggregates_at(names, from)
  local found = {}
  for i, name in ipairs(names) do
    found[i] = {name = name, overlay = KEYS[from + 2 * i - 2], record = KEYS[from + 2 * i - 1]}
  end
  return found
end
local function point_to_first(aggregates, id)
  for i = 2, #aggregates do redis.call('HSET', aggregates[i].overlay, 'p:' .. id, aggregates[1].name) end
end
local function row_members(aggregates, rows, id)
  local is_own, members = {}, {}
  for _, each in ipairs(aggregates) do is_own[each.name] = true end
  for _, row in ipairs(rows) do
    if not is_own[row] then members[#members + 1] = row .. ':' .. aggregates[1].name .. ':' .. id end
  end
  return members
end
local function index_rows(by_record, aggregates, rows, id)
  for _, member in ipairs(row_members(aggregates, rows, id)) do redis.call('ZADD', by_record, 0, member) end
end
local function unindex_rows(by_record, aggregates, rows, id)
  for _, member in ipairs(row_members(aggregates, rows, id)) do redis.call('ZREM', by_record, member) end
end
local function names_in(reference)
  local names = {}
  for name in string.gmatch(string.match(reference, ':([^:]+):'), '[^,]+') do names[#names + 1] = name end
  return names
end
`;

/** lib/change-feed/lua/include/feed.lua */
const feed = `local function feed_append(stream, channel, ...)
  local position = redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', ...)
  redis.call('PUBLISH', channel, position)
  return position
end
`;

/** lib/buffer/lua/include/overlay_index.lua */
const overlayIndex = `local function is_placed(unit, start_ms)
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
`;

/** lib/buffer/lua/include/shown.lua */
const shown = `local function place_of(aggregate)
  local r = redis.call('HMGET', aggregate.record, 'obs_unit_id', 'start_ms', 'table')
  return r[1], r[2], r[3]
end
local function show_aggregates(aggregates, by_start, by_unit, unknown)
  for _, each in ipairs(aggregates) do
    local unit, start_ms, of = place_of(each)
    if not of then index_overlay(by_start, by_unit, unknown, unit, start_ms, each.name) end
  end
end
local function tell_aggregates(aggregates, feed, wakes, change, id, known_unit)
  for i, each in ipairs(aggregates) do
    local unit, _, of = place_of(each)
    local entry = {'change', change, 'record', each.name, 'obs_unit_id', i == 1 and known_unit or unit or ''}
    if i == 1 then entry[#entry + 1] = 'transaction'; entry[#entry + 1] = id end
    if of then entry[#entry + 1] = 'table'; entry[#entry + 1] = of end
    feed_append(feed, wakes, unpack(entry))
  end
end
`;

/** lib/users/lua/include/write_user.lua */
const writeUser = `local function must_be_user(a)
  must_have('string', a, 'principal', 'login', 'name', 'role', 'role_from', 'permissions', 'last_login_at', 'created_at')
  must_have('number', a, 'stamp')
end
local function write_user(user, users, a)
  redis.call('SADD', users, a.principal)
  redis.call('HSET', user, 'principal', a.principal, 'login', a.login, 'name', a.name, 'role', a.role,
    'role_from', a.role_from, 'active', a.active and '1' or '0', 'permissions', a.permissions,
    'stamp', string.format('%.0f', a.stamp), 'last_login_at', a.last_login_at, 'created_at', a.created_at)
end
`;

/** lib/change-feed/lua/include/or_mark.lua */
const orMark = `local function or_mark(stream, found)
  if #found > 0 then return found end
  local mark = redis.call('XADD', stream, '*', 'mark', '1')
  return {{mark, {'mark', '1'}}}
end
`;

/** lib/buffer/lua/accept.lua */
export const acceptScript = /* @__PURE__ */ script(checks, bytes, record, judge, aggregates, feed, overlayIndex, shown, `local tx, pending, idem, credential, users_loaded, user, rate_now, rate_before, stats, by_start, by_unit, unknown, by_record,
  feed, tx_alias, target, former = unpack(KEYS, 1, 17)
local first_aggregate = 18
local a, rest, patch = cjson.decode(ARGV[1]), ARGV[2], ARGV[3]
local left
local function refuse(why, detail) return cjson.encode({refused = why, detail = detail, left = left}) end
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
  if not owner[1] and not are_loaded then return refuse('users_missing') end
  if owner[1] == '0' then return refuse('unauthorized', 'The owner of this credential has been deactivated.') end
  if owner[2] and a.permission ~= '' and not string.find(' ' .. owner[2] .. ' ', ' ' .. a.permission .. ' ', 1, true) then
    return refuse('forbidden')
  end
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
  if a.former ~= key_of or not repeat_refusal_of(entry_of(former)) then return refuse('key_reused', key_of) end
end
local highest = 0
for _, each in ipairs(aggregates) do
  each.known = read_record(each.record)
  highest = math.max(highest, each.known.stamp)
end
local verdict, rows = judge(aggregates, a.steps, a.id, patch)
local base, status = verdict.base, a.status
if not verdict.is_known then status = a.unknown_status end
if known then
  local noted
  for _, step in ipairs(a.steps) do
    local row = read_row(aggregates, step)
    if step.is_tracked and step.kind == 'update' and row.changed_by == a.id then noted = row.patch end
  end
  if noted then patch = noted
  else
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
local size = #rest + 2 * #patch + 700 + 100 * #aggregates
local begun = redis.call('HGET', overlay, 'b:' .. a.id)
if not begun and tonumber(redis.call('HGET', stats, 'bytes') or 0) + size > a.budget then return refuse('full') end
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
return cjson.encode({accepted = true, stamp = stamp, patch = patch, base = base, status = status, left = left})`);

/** lib/change-feed/lua/acquire_lease.lua */
export const acquireLeaseScript = /* @__PURE__ */ script(checks, `local milliseconds = tonumber(ARGV[1])
must(is_number(milliseconds) and milliseconds > 0, 'duration')
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], fence, 'PX', ARGV[1])
return fence`);

/** lib/sockets/lua/change_subscription.lua */
export const changeSubscriptionScript = /* @__PURE__ */ script(checks, feed, `local connection, feed = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'id', 'channel', 'wakes')
must_have('number', a, 'most')
must(a.request == nil or is_number(a.request), 'request')
must_be('hash', connection)
must_be('stream', feed)
if redis.call('EXISTS', connection) == 0 then return 'gone' end
local field = 'sub:' .. a.channel
local stored = redis.call('HGET', connection, field)
local known = stored and cjson.decode(stored).request
if a.remove then
  if known and a.request and known ~= a.request then return 'done' end
  redis.call('HDEL', connection, field)
elseif known and a.request and known > a.request then
  return 'done'
else
  local count = 0
  for _, each in ipairs(redis.call('HKEYS', connection)) do
    if string.sub(each, 1, 4) == 'sub:' and each ~= field then count = count + 1 end
  end
  if count >= a.most then return 'full' end
  local asked = redis.call('HINCRBY', connection, 'asked', 1)
  redis.call('HSET', connection, field, cjson.encode({since = a.since, asked = asked, request = a.request}))
end
feed_append(feed, a.wakes, 'record', a.id)
return 'done'`);

/** lib/credentials/lua/check_session.lua */
export const checkSessionScript = /* @__PURE__ */ script(`local ended, user, users_loaded = unpack(KEYS)
return {redis.call('EXISTS', ended), redis.call('EXISTS', users_loaded), redis.call('HMGET', user, 'active', 'role', 'permissions')}`);

/** lib/credentials/lua/check_token.lua */
export const checkTokenScript = /* @__PURE__ */ script(`local token, user, users_loaded = unpack(KEYS)
local known = redis.call('HGETALL', token)
local t = redis.call('HMGET', token, 'principal', 'revoked', 'expires_at')
local owner = redis.call('HMGET', user, 'active', 'role', 'permissions')
if t[1] == ARGV[1] and t[2] ~= '1' and (t[3] == '' or tonumber(t[3]) * 1000 > tonumber(ARGV[2])) then
  redis.call('HINCRBY', token, 'uses', 1)
  redis.call('HSET', token, 'used_at', ARGV[2])
end
return {redis.call('EXISTS', users_loaded), owner, known}`);

/** lib/buffer/lua/claim.lua */
export const claimScript = /* @__PURE__ */ script(checks, `local pending, inflight, main_down, committed = unpack(KEYS, 1, 4)
local now, lease_end, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local asks, lost_outcome = ARGV[4] == 'always', ARGV[5]
must(is_number(now) and is_number(lease_end) and is_number(limit) and limit >= 0 and limit <= 3000, 'numbers')
must_be('zset', pending, inflight, committed)
for i = 5, #KEYS do must_be('hash', KEYS[i]) end
local is_away = not asks and redis.call('EXISTS', main_down) == 1
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
for _, reference in ipairs(redis.call('ZRANGE', inflight, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  if is_reference(reference) then redis.call('ZADD', pending, string.match(reference, '^%d+'), reference) end
  redis.call('ZREM', inflight, reference)
end
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
return {copies, oldest, redis.call('ZCARD', pending), is_away and 1 or 0}`);

/** lib/buffer/lua/clean.lua */
export const cleanScript = /* @__PURE__ */ script(checks, bytes, aggregates, feed, overlayIndex, shown, `local committed, stats, floor, feed, by_start, by_unit, unknown, by_record, set_aside = unpack(KEYS, 1, 9)
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
  if lsn and known[1] and tonumber(known[1]) <= a.revision then
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
return cleaned`);

/** lib/smart-query/lua/enter_wait.lua */
export const enterWaitScript = /* @__PURE__ */ script(checks, `local all, own = unpack(KEYS)
local now, ends, id, of_all, of_own = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
must(is_number(now) and is_number(ends) and is_number(of_all) and is_number(of_own), 'numbers')
must_be('zset', all, own)
redis.call('ZREMRANGEBYSCORE', all, '-inf', now)
redis.call('ZREMRANGEBYSCORE', own, '-inf', now)
local is_taken = redis.call('ZSCORE', all, id)
if not is_taken and (redis.call('ZCARD', all) >= of_all or redis.call('ZCARD', own) >= of_own) then return 0 end
redis.call('ZADD', all, ends, id)
redis.call('ZADD', own, ends, id)
redis.call('EXPIRE', all, 120)
redis.call('EXPIRE', own, 120)
return 1`);

/** lib/buffer/lua/mark.lua */
export const markScript = /* @__PURE__ */ script(checks, record, aggregates, feed, overlayIndex, shown, `local pending, inflight, committed, main_down, feed, set_aside, drained, by_start, by_unit, unknown = unpack(KEYS, 1, 10)
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
return {marked, incomplete}`);

/** lib/tokens/lua/put_tokens.lua */
export const putTokensScript = /* @__PURE__ */ script(checks, `local tokens, had = cjson.decode(ARGV[1]), {}
for i, a in ipairs(tokens) do
  local token, of_owner, by_id = unpack(KEYS, 3 * i - 2, 3 * i)
  must_have('string', a, 'id', 'principal', 'name', 'role', 'permissions', 'expires_at', 'created_at', 'used_at', 'hash')
  must_have('number', a, 'uses')
  must(a.kept_until == nil or is_number(a.kept_until), 'kept_until')
  must_be('set', of_owner)
  must_be('string', by_id)
  local known = redis.call('HMGET', token, 'revoked', 'uses', 'used_at')
  had[i] = {tonumber(known[2] or 0) or 0, known[3] or '', known[1] == '1'}
end
for i, a in ipairs(tokens) do
  local token, of_owner, by_id = unpack(KEYS, 3 * i - 2, 3 * i)
  local revoked = had[i][3] or a.revoked
  redis.call('HSET', token, 'id', a.id, 'principal', a.principal, 'name', a.name, 'role', a.role,
    'permissions', a.permissions, 'expires_at', a.expires_at, 'created_at', a.created_at, 'revoked', revoked and '1' or '0')
  if had[i][1] < a.uses then redis.call('HSET', token, 'uses', a.uses, 'used_at', a.used_at) end
  redis.call('SADD', of_owner, a.hash)
  redis.call('SET', by_id, a.hash)
  if a.kept_until then
    redis.call('EXPIREAT', token, a.kept_until)
    redis.call('EXPIREAT', by_id, a.kept_until)
  end
end
return cjson.encode(had)`);

/** lib/users/lua/put_users.lua */
export const putUsersScript = /* @__PURE__ */ script(checks, writeUser, `local users = cjson.decode(ARGV[1])
must_be('set', KEYS[#KEYS])
local newer = {}
for i, a in ipairs(users) do
  must_be_user(a)
  newer[i] = tonumber(redis.call('HGET', KEYS[i], 'stamp') or 0) <= a.stamp
end
for i, a in ipairs(users) do
  if newer[i] then write_user(KEYS[i], KEYS[#KEYS], a) end
end
return 1`);

/** lib/buffer/lua/quarantine.lua */
export const quarantineScript = /* @__PURE__ */ script(checks, bytes, aggregates, `local pending, inflight, stats, by_record, tx = unpack(KEYS, 1, 5)
local reference, id, text, reason, failed_state = unpack(ARGV)
must(is_reference(reference), 'reference')
must_be('zset', pending, inflight, by_record)
must_be('hash', stats, tx)
local names = names_in(reference)
must_be_aggregates(names, 6)
local aggregates = aggregates_at(names, 6)
local overlay = aggregates[1].overlay
if redis.call('HGET', overlay, 'b:' .. id) ~= text then return 0 end
if redis.call('EXISTS', tx) == 1 then redis.call('HSET', tx, 'state', failed_state, 'reason', reason, 'put_away', '1') end
local size = tonumber(redis.call('HGET', tx, 'size') or '')
if size then
  count_bytes(stats, 'cleaned:' .. id, -size)
  redis.call('HDEL', tx, 'size')
end
redis.call('HDEL', stats, 'cleaned:' .. id)
redis.call('ZREM', pending, reference)
redis.call('ZREM', inflight, reference)
unindex_rows(by_record, aggregates, cjson.decode(redis.call('HGET', tx, 'records') or '[]'), id)
for i = #aggregates, 1, -1 do redis.call('HDEL', aggregates[i].overlay, 'b:' .. id, 's:' .. id, 'p:' .. id) end
return 1`);

/** lib/change-feed/lua/read_feed_after.lua */
export const readFeedAfterScript = /* @__PURE__ */ script(orMark, `return or_mark(KEYS[1], redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]))`);

/** lib/change-feed/lua/read_feed_between.lua */
export const readFeedBetweenScript = /* @__PURE__ */ script(`return redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])`);

/** lib/change-feed/lua/read_feed_end.lua */
export const readFeedEndScript = /* @__PURE__ */ script(orMark, `return or_mark(KEYS[1], redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1))`);

/** lib/sockets/lua/register_connection.lua */
export const registerConnectionScript = /* @__PURE__ */ script(checks, feed, `local connections, of_user, connection, feed, ticket = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'id', 'wakes')
must_have('number', a, 'connected_at', 'life_seconds', 'limit')
must(a.life_seconds > 0 and (a.channel == nil or is_text(a.channel)), 'life or channel')
must_be('zset', connections, of_user)
must_be('hash', connection)
must_be('stream', feed)
local is_begun = redis.call('HGET', connection, 'holder') == ARGV[2]
if not is_begun then
  if ticket and redis.call('EXISTS', ticket) == 0 then return 'spent' end
  if redis.call('ZCOUNT', of_user, string.format('(%.0f', a.connected_at), '+inf') >= a.limit then return 'full' end
end
local ends = string.format('%.0f', a.connected_at + a.life_seconds * 1000)
redis.call('HSET', connection, 'holder', ARGV[2], 'connected_at', a.connected_at)
redis.call('EXPIRE', connection, a.life_seconds)
if ticket then redis.call('DEL', ticket) end
redis.call('ZREMRANGEBYSCORE', of_user, '-inf', a.connected_at)
redis.call('ZADD', of_user, ends, a.id)
redis.call('EXPIRE', of_user, a.life_seconds)
redis.call('ZADD', connections, ends, a.id)
if a.channel then
  redis.call('HSETNX', connection, 'sub:' .. a.channel, '{"asked":0}')
  feed_append(feed, a.wakes, 'record', a.id)
end
return 'done'`);

/** lib/change-feed/lua/relay_changes.lua */
export const relayChangesScript = /* @__PURE__ */ script(checks, feed, `local relay, ahead, transfer, observations = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'expected', 'reached')
must_have('table', a, 'ahead', 'passed', 'records', 'wakes')
must_have('string', a.wakes, 'transfer', 'observations')
must(a.transfer == nil or is_text(a.transfer), 'transfer')
for _, each in ipairs(a.records) do must_have('string', each, 'record', 'left', 'table') end
for _, xid in ipairs(a.passed) do must(is_text(xid), 'passed') end
must_be('hash', ahead)
must_be('stream', transfer, observations)
if (redis.call('GET', relay) or '') ~= a.expected then return 0 end
local reached = {}
for _, each in ipairs(a.ahead) do
  must_have('string', each, 'xid', 'from', 'to')
  if (redis.call('HGET', ahead, each.xid) or '') ~= each.from then return 0 end
  reached[#reached + 1] = each.xid
  reached[#reached + 1] = each.to
end
if a.transfer then feed_append(transfer, a.wakes.transfer, 'change', a.transfer) end
if a.reset then feed_append(observations, a.wakes.observations, 'change', 'reset') end
for _, each in ipairs(a.records) do
  feed_append(observations, a.wakes.observations, 'change', 'changed', 'record', each.record,
    'left', each.left, 'table', each.table)
end
if #reached > 0 then redis.call('HSET', ahead, unpack(reached)) end
redis.call('SET', relay, a.reached)
if #a.passed > 0 then redis.call('HDEL', ahead, unpack(a.passed)) end
return 1`);

/** lib/buffer/lua/release.lua */
export const releaseScript = /* @__PURE__ */ script(checks, `local pending, inflight = KEYS[1], KEYS[2]
for _, reference in ipairs(ARGV) do must(is_reference(reference), 'reference') end
must_be('zset', pending, inflight)
for _, reference in ipairs(ARGV) do
  if redis.call('ZSCORE', inflight, reference) then
    redis.call('ZADD', pending, string.match(reference, '^%d+'), reference)
    redis.call('ZREM', inflight, reference)
  end
end
return redis.call('ZCARD', pending)`);

/** lib/change-feed/lua/release_lease.lua */
export const releaseLeaseScript = /* @__PURE__ */ script(`if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`);

/** lib/change-feed/lua/renew_lease.lua */
export const renewLeaseScript = /* @__PURE__ */ script(`if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

/** lib/change-feed/lua/republish_deferred.lua */
export const republishDeferredScript = /* @__PURE__ */ script(checks, feed, `local deferred, observations = unpack(KEYS)
local most, wakes = ARGV[1], ARGV[2]
must_be('stream', observations)
local members = redis.call('SRANDMEMBER', deferred, most)
for _, each in ipairs(members) do
  local field, id = string.match(each, '^(%a+) (.+)$')
  if field then feed_append(observations, wakes, 'change', 'changed', field, id) end
  redis.call('SREM', deferred, each)
end
return #members`);

/** lib/tokens/lua/reserve_token.lua */
export const reserveTokenScript = /* @__PURE__ */ script(checks, `local of_owner, in_the_making = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'hash')
must_have('number', a, 'shown', 'live', 'most_live', 'most_shown', 'now_ms', 'until_ms')
must(a.until_ms > a.now_ms, 'duration')
if redis.call('SCARD', of_owner) ~= a.shown then return 'changed_meanwhile' end
local made = redis.call('ZCOUNT', in_the_making, a.now_ms, '+inf')
if redis.call('ZSCORE', in_the_making, a.hash) then made = made - 1 end
if a.live + made >= a.most_live then return 'live' end
if a.shown + made >= a.most_shown then return 'shown' end
redis.call('ZADD', in_the_making, string.format('%.0f', a.until_ms), a.hash)
redis.call('ZREMRANGEBYSCORE', in_the_making, '-inf', '(' .. string.format('%.0f', a.now_ms))
redis.call('PEXPIRE', in_the_making, string.format('%.0f', a.until_ms - a.now_ms))
return 'taken'`);

/** lib/buffer/lua/restore.lua */
export const restoreScript = /* @__PURE__ */ script(checks, bytes, record, judge, aggregates, feed, overlayIndex, shown, `local tx, pending, inflight, committed, stats, by_start, by_unit, unknown, by_record, feed, set_aside = unpack(KEYS, 1, 11)
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
  if begun then
    body = begun
    stamp = string.match(begun, '"stamp":(%d+)') or a.stamp
    reference = stamp .. ':' .. table.concat(a.aggregates, ',') .. ':' .. a.id
  end
else
  reference = known[2]
  local is_held = redis.call('ZSCORE', pending, reference) or redis.call('ZSCORE', inflight, reference)
    or redis.call('ZSCORE', committed, reference)
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
return 1`);

/** lib/buffer/lua/revive.lua */
export const reviveScript = /* @__PURE__ */ script(checks, aggregates, feed, overlayIndex, shown, `local pending, committed, set_aside, feed = unpack(KEYS, 1, 4)
local references, reason, now, wakes = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local states = cjson.decode(ARGV[5])
must(is_number(now), 'clock')
must_have('string', states, 'again', 'lost', 'lost_change', 'lost_outcome')
must_be('zset', pending, committed, set_aside)
must_be('stream', feed)
local place, named = 5, {}
for i, reference in ipairs(references) do
  must(is_reference(reference), 'reference')
  local names = names_in(reference)
  must_be('hash', KEYS[place])
  must_be_aggregates(names, place + 1)
  named[i] = {tx = KEYS[place], of = aggregates_at(names, place + 1)}
  place = place + 1 + 2 * #names
end
local revived, lost = 0, {}
for i, reference in ipairs(references) do
  local tx, overlay = named[i].tx, named[i].of[1].overlay
  local stamp, id = string.match(reference, '^(%d+):[^:]+:([^:]+)$')
  if redis.call('ZSCORE', committed, reference) then
    local known = redis.call('HMGET', tx, 'history', 'quiet', 'state')
    local history = known[1] or '[]'
    local function later(state)
      if known[3] == state then return history end
      local entry = cjson.encode({at = now, state = state})
      return history == '[]' and '[' .. entry .. ']' or string.sub(history, 1, -2) .. ',' .. entry .. ']'
    end
    if redis.call('HEXISTS', overlay, 'b:' .. id) == 1 then
      redis.call('HSET', tx, 'state', states.again, 'revision', 0, 'history', later(states.again))
      redis.call('HSET', overlay, 's:' .. id, cjson.encode({state = states.again, verified = true}))
      redis.call('ZREM', set_aside, reference)
      redis.call('ZADD', pending, stamp, reference)
      revived = revived + 1
    else
      redis.call('HSET', tx, 'reference', reference, 'state', states.lost, 'outcome', states.lost_outcome, 'reason', reason, 'revision', 0,
        'history', later(states.lost))
      redis.call('HSETNX', tx, 'records', '[]')
      redis.call('HSETNX', tx, 'attempts', 1)
      redis.call('PERSIST', tx)
      redis.call('ZADD', set_aside, stamp, reference)
      if not known[2] then tell_aggregates(named[i].of, feed, wakes, states.lost_change, id) end
      lost[#lost + 1] = id
    end
    redis.call('ZREM', committed, reference)
  end
end
return {revived, lost}`);

/** lib/tokens/lua/revoke_token.lua */
export const revokeTokenScript = /* @__PURE__ */ script(`if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'revoked', '1')
return 1`);

/** lib/sessions/lua/rotate_session.lua */
export const rotateSessionScript = /* @__PURE__ */ script(checks, `local session, ended = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'presented', 'following')
must_have('number', a, 'now_ms', 'outage_seconds', 'repeat_ms', 'ended_seconds')
must(a.ended_seconds > 0, 'duration')
must_be('string', ended)
local s = redis.call('HMGET', session, 'principal', 'ends_at', 'current', 'previous', 'rotated_ms', 'extended')
if not s[1] then return cjson.encode({state = 'unknown'}) end
local is_current = s[3] == a.presented
local is_repeat = s[4] == a.presented and a.now_ms - tonumber(s[5]) < a.repeat_ms
if not is_current and not is_repeat then
  redis.call('SET', ended, '1', 'EX', a.ended_seconds)
  redis.call('DEL', session)
  return cjson.encode({state = 'reused', principal = s[1]})
end
local ends, now = tonumber(s[2]), a.now_ms / 1000
local answer = {state = 'rotated', principal = s[1], ends_at = ends, extended = false}
local fields = {'current', a.following}
if now >= ends then
  if not a.is_outage or now >= ends + a.outage_seconds then
    return cjson.encode({state = 'over', principal = s[1], ends_at = ends})
  end
  answer.extended, answer.ends_at, answer.is_first = true, ends + a.outage_seconds, not s[6]
  fields = {'extended', '1', unpack(fields)}
end
if is_current then
  fields = {'previous', a.presented, 'rotated_ms', string.format('%.0f', a.now_ms), unpack(fields)}
end
redis.call('HSET', session, unpack(fields))
return cjson.encode(answer)`);

/** lib/sockets/lua/save_subscriptions.lua */
export const saveSubscriptionsScript = /* @__PURE__ */ script(checks, `local fields = {}
for i, text in ipairs(ARGV) do
  local a = cjson.decode(text)
  must_have('string', a, 'channel')
  local known = redis.call('HGET', KEYS[i], 'sub:' .. a.channel)
  if known and cjson.decode(known).asked == a.asked then fields[i] = 'sub:' .. a.channel end
end
for i, field in pairs(fields) do redis.call('HSET', KEYS[i], field, ARGV[i]) end
return 1`);

/** lib/sockets/lua/take_turn.lua */
export const takeTurnScript = /* @__PURE__ */ script(checks, `for i = 2, 4 do must(is_number(tonumber(ARGV[i])), 'numbers') end
must(tonumber(ARGV[4]) > 0, 'life')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2])
redis.call('ZADD', KEYS[1], 'NX', ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return redis.call('ZRANGE', KEYS[1], 0, 0)[1] == ARGV[1] and 1 or 0`);

/** lib/users/lua/update_user.lua */
export const updateUserScript = /* @__PURE__ */ script(checks, writeUser, `local user, users, requester, users_loaded = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('number', a, 'replaces')
must_be_user(a.user)
must_be('set', users)
local stamp = redis.call('HGET', user, 'stamp')
if not stamp and redis.call('EXISTS', users_loaded) == 0 then return 'users_missing' end
if tonumber(stamp or 0) ~= a.replaces then return 'changed_meanwhile' end
if a.takes_admin then
  local remains = false
  for i = 5, #KEYS do
    local other = redis.call('HMGET', KEYS[i], 'active', 'role')
    remains = remains or (other[1] == '1' and other[2] == 'admin')
  end
  if not remains then return 'last_admin' end
end
if a.is_asked then
  local by = redis.call('HMGET', requester, 'active', 'permissions')
  if by[1] == '0' then return 'requester_deactivated' end
  if by[2] and not string.find(' ' .. by[2] .. ' ', ' manage:users ', 1, true) then return 'requester_forbidden' end
end
write_user(user, users, a.user)
return 'updated'`);

/** lib/change-feed/lua/write_checkpoint.lua */
export const writeCheckpointScript = /* @__PURE__ */ script(`local known = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0)
if known > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'at', ARGV[2])
return 1`);
