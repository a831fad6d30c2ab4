-- Appends an entry of alternating fields and values, and wakes the broadcaster through `channel`. Returns the position.
local function feed_append(stream, channel, ...)
  local position = redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', ...)
  redis.call('PUBLISH', channel, position)
  return position
end
