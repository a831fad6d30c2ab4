-- Adds to the byte count of the buffer. One command writes the sum and a marker for the addition, so that a repeated run does not
-- count twice. The marker is removed once the size is in the transaction's hash.
local function count_bytes(stats, name, size)
  if redis.call('HEXISTS', stats, name) == 1 then return end
  local bytes = tonumber(redis.call('HGET', stats, 'bytes') or 0) or 0
  redis.call('HSET', stats, 'bytes', string.format('%.0f', bytes + size), name, string.format('%.0f', size))
end
