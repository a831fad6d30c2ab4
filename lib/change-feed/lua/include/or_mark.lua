-- An empty stream has no position from which a reader could detect trimmed entries. So the reader of an empty stream appends a mark, and
-- uses its position.
local function or_mark(stream, found)
  if #found > 0 then return found end
  local mark = redis.call('XADD', stream, '*', 'mark', '1')
  return {{mark, {'mark', '1'}}}
end
