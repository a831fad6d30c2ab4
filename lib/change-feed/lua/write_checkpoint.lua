-- Does not overwrite the checkpoint of a later broadcaster. Returns whether the checkpoint was written.
local known = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0)
if known > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'at', ARGV[2])
return 1
