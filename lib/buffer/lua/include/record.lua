-- The hash `record`: the rows of an aggregate as far as the site knows them, for the judge. Fields of a row:
--   by          transaction that created it
--   base        the created row as an answer shows it
--   values      column -> canonical text of its value
--   changed_by  transaction of the last tracked change
--   patch       the answer to that change
-- A row is stored as JSON in the field `row:<id>`. The executed unit is stored in the fields of the first release, so that either
-- release can judge by the other's writes. That release stored instants in milliseconds, and the transaction that created or
-- changed the row only within the texts of the answers.
local function microseconds(text) return (string.gsub(text or '', '^(.*%.%d%d%d)Z$', '%1000Z')) end
local function milliseconds(text) return (string.gsub(text or '', '^(.*%.%d%d%d)%d%d%dZ$', '%1Z')) end
local function unquoted(text) return (string.gsub(text or '', '^"(.*)"$', '%1')) end
local function quoted(text) return text and text ~= '' and '"' .. text .. '"' or nil end
-- The last match in the text: earlier ones may come from the client's own fields.
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
-- `step.at`: number of the row's aggregate
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
-- Removes the saved changes of a transaction from a row. The values that they replaced are unknown from now on.
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
