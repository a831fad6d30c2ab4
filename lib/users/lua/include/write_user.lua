-- `write_user` adds a user to the set of all users, then writes the hash, whose stamp marks both as done.
local function must_be_user(a)
  must_have('string', a, 'principal', 'login', 'name', 'role', 'role_from', 'permissions', 'last_login_at', 'created_at')
  must_have('number', a, 'stamp')
end
local function write_user(user, users, a)
  redis.call('SADD', users, a.principal)
  redis.call('HSET', user, 'principal', a.principal, 'login', a.login, 'name', a.name, 'role', a.role,
    'role_from', a.role_from, 'active', a.active and '1' or '0', 'permissions', a.permissions,
    'stamp', string.format('%.0f', a.stamp), 'last_login_at', a.last_login_at, 'created_at', a.created_at)
end
