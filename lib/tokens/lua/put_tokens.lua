-- Writes tokens as main has them, or as they are made; a revocation that is known here stays.
local had = {}
for i, a in ipairs(cjson.decode(ARGV[1])) do
  local token, of_owner, by_id = unpack(KEYS, 3 * i - 2, 3 * i)
  local known = redis.call('HMGET', token, 'revoked', 'uses', 'used_at')
  local revoked = known[1] == '1' or a.revoked
  redis.call('HSET', token, 'id', a.id, 'principal', a.principal, 'name', a.name, 'role', a.role,
    'permissions', a.permissions, 'expires_at', a.expires_at, 'created_at', a.created_at, 'revoked', revoked and '1' or '0')
  -- what is counted here is newer than what main was told
  had[i] = {tonumber(known[2] or 0), known[3] or '', known[1] == '1'}
  if had[i][1] < a.uses then redis.call('HSET', token, 'uses', a.uses, 'used_at', a.used_at) end
  redis.call('SADD', of_owner, a.hash)
  redis.call('SET', by_id, a.hash)
  if a.kept_until then
    redis.call('EXPIREAT', token, a.kept_until)
    redis.call('EXPIREAT', by_id, a.kept_until)
  end
end
return cjson.encode(had)
