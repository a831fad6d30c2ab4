--- @include "../../redis/lua/include/checks"

-- Writes tokens from main, or new ones. A revocation in Redis is kept.
local tokens, had = cjson.decode(ARGV[1]), {}
for i, a in ipairs(tokens) do
  local token, of_owner, by_id = unpack(KEYS, 3 * i - 2, 3 * i)
  must_have('string', a, 'id', 'principal', 'name', 'role', 'permissions', 'expires_at', 'created_at', 'used_at', 'hash')
  must_have('number', a, 'uses')
  must(a.kept_until == nil or is_number(a.kept_until), 'kept_until')
  must_be('set', of_owner)
  must_be('string', by_id)
  local known = redis.call('HMGET', token, 'revoked', 'uses', 'used_at')
  -- the counts in Redis are newer than those at main
  had[i] = {tonumber(known[2] or 0) or 0, known[3] or '', known[1] == '1'}
end
for i, a in ipairs(tokens) do
  local token, of_owner, by_id = unpack(KEYS, 3 * i - 2, 3 * i)
  local revoked = had[i][3] or a.revoked
  redis.call('HSET', token, 'id', a.id, 'principal', a.principal, 'name', a.name, 'role', a.role,
    'permissions', a.permissions, 'expires_at', a.expires_at, 'created_at', a.created_at, 'revoked', revoked and '1' or '0')
  if had[i][1] < a.uses then redis.call('HSET', token, 'uses', a.uses, 'used_at', a.used_at) end
  redis.call('SADD', of_owner, a.hash)
  redis.call('SET', by_id, a.hash)
  if a.kept_until then
    redis.call('EXPIREAT', token, a.kept_until)
    redis.call('EXPIREAT', by_id, a.kept_until)
  end
end
return cjson.encode(had)
