-- The aggregates of a transaction, beginning with the first. Each has two keys, its overlay and its record, from KEYS[from] on. The
-- overlay of the first contains the body and its flags; those of the others contain `p:<id>` with the name of the first.
-- `tables`: the table of each aggregate's root row, if given.
local function must_be_aggregates(names, from, tables)
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
-- Rows whose id is not that of an aggregate are found by an index of `<row>:<aggregate>:<transaction>`.
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
