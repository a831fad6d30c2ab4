-- Notes where subscriptions are, unless the client has asked again meanwhile. KEYS[i]: the connection of ARGV[i].
for i, text in ipairs(ARGV) do
  local a = cjson.decode(text)
  local field = 'sub:' .. a.channel
  local known = redis.call('HGET', KEYS[i], field)
  if known and cjson.decode(known).asked == a.asked then redis.call('HSET', KEYS[i], field, text) end
end
return 1
