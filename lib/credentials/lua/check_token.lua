-- Returns whether all users were loaded, the owner, and the API token. Counts the use of a valid token.
local token, user, users_loaded = unpack(KEYS)
local known = redis.call('HGETALL', token)
local t = redis.call('HMGET', token, 'principal', 'revoked', 'expires_at')
local owner = redis.call('HMGET', user, 'active', 'role', 'permissions')
if t[1] == ARGV[1] and t[2] ~= '1' and (t[3] == '' or tonumber(t[3]) * 1000 > tonumber(ARGV[2])) then
  redis.call('HINCRBY', token, 'uses', 1)
  redis.call('HSET', token, 'used_at', ARGV[2])
end
return {redis.call('EXISTS', users_loaded), owner, known}
