-- Appends an entry of fields and values in turn, and wakes the broadcaster by `channel`. Returns the position.
local function feed_append(stream, channel, ...)
  local position = redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', ...)
  redis.call('PUBLISH', channel, position)
  return position
end
