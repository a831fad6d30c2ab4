-- Writes the hash of a user, and puts the user into the set of all.
local function write_user(user, users, a)
  redis.call('HSET', user, 'principal', a.principal, 'login', a.login, 'name', a.name, 'role', a.role,
    'role_from', a.role_from, 'active', a.active and '1' or '0', 'permissions', a.permissions,
    'stamp', string.format('%.0f', a.stamp), 'last_login_at', a.last_login_at, 'created_at', a.created_at)
  redis.call('SADD', users, a.principal)
end
