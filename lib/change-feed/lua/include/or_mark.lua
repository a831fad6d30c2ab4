-- An empty stream tells nothing of what it has held, so that a reader who finds one leaves a mark to stand at: what is written
-- after it and trimmed before it is read is missed then.
local function or_mark(stream, found)
  if #found > 0 then return found end
  local mark = redis.call('XADD', stream, '*', 'mark', '1')
  return {{mark, {'mark', '1'}}}
end
