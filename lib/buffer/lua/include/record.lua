-- What the site knows of an executed unit (hash `record`), in the fields of this release and of the first: that one noted
-- instants in milliseconds, and who started or finished only within the text of the answer. Both spellings are written, so that
-- either release judges by what the other has noted.
local function microseconds(text) return (string.gsub(text or '', '^(.*%.%d%d%d)Z$', '%1000Z')) end
local function milliseconds(text) return (string.gsub(text or '', '^(.*%.%d%d%d)%d%d%dZ$', '%1Z')) end
local function is_of(by, text, id)
  if by then return by == id end
  return text and string.find(text, '"transaction_id":"' .. id .. '"', 1, true) ~= nil
end
local function read_record(record)
  local r = redis.call('HMGET', record, 'obs_unit_id', 'start_ms', 'base', 'stamp', 'given_status', 'end_time', 'end_at',
    'given_metadata', 'finish', 'started_by', 'finished_by')
  return {unit = r[1], start_ms = r[2], base = r[3], stamp = tonumber(r[4] or 0) or 0, given_status = r[5],
    end_at = r[7] or microseconds(r[6] or ''), given_metadata = r[8], finish = r[9], started_by = r[10], finished_by = r[11]}
end
local function started_at(r)
  if not r.base then return '' end
  local _, at = string.find(r.base, '"start_time":', 1, true)
  return at and microseconds(string.match(r.base, '^"([^"]*)"', at + 1)) or ''
end
local function note_start(record, start, base, id)
  redis.call('HSET', record, 'obs_unit_id', start.obs_unit_id, 'start_ms', string.format('%.0f', start.start_ms),
    'base', base, 'started_by', id)
end
local function note_finish(record, finish, patch, id)
  redis.call('HSET', record, 'given_status', finish.status, 'end_time', milliseconds(finish.end_time),
    'end_at', microseconds(finish.end_time), 'given_metadata', finish.given_metadata, 'finish', patch, 'finished_by', id)
end
