--- @include "../../redis/lua/include/checks"
--- @include "include/write_user"

local user, users, requester, users_loaded = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('number', a, 'replaces')
must_be_user(a.user)
must_be('set', users)
local stamp = redis.call('HGET', user, 'stamp')
-- a user that Redis has lost may be deactivated
if not stamp and redis.call('EXISTS', users_loaded) == 0 then return 'users_missing' end
if tonumber(stamp or 0) ~= a.replaces then return 'changed_meanwhile' end
if a.takes_admin then
  local remains = false
  for i = 5, #KEYS do
    local other = redis.call('HMGET', KEYS[i], 'active', 'role')
    remains = remains or (other[1] == '1' and other[2] == 'admin')
  end
  if not remains then return 'last_admin' end
end
if a.is_asked then
  local by = redis.call('HMGET', requester, 'active', 'permissions')
  if by[1] == '0' then return 'requester_deactivated' end
  if by[2] and not string.find(' ' .. by[2] .. ' ', ' manage:users ', 1, true) then return 'requester_forbidden' end
end
write_user(user, users, a.user)
return 'updated'
