-- The bytes of the buffer. The sum and the name of what was added are written by one command, so that a script that runs again
-- adds nothing twice; the script that writes the size into the transaction's own hash removes the name.
local function count_bytes(stats, name, size)
  if redis.call('HEXISTS', stats, name) == 1 then return end
  local bytes = tonumber(redis.call('HGET', stats, 'bytes') or 0) or 0
  redis.call('HSET', stats, 'bytes', string.format('%.0f', bytes + size), name, string.format('%.0f', size))
end
