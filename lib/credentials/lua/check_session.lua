-- Returns whether the session was ended, whether all users were loaded, and the owner.
local ended, user, users_loaded = unpack(KEYS)
return {redis.call('EXISTS', ended), redis.call('EXISTS', users_loaded), redis.call('HMGET', user, 'active', 'role', 'permissions')}
