-- What a session's credential is worth now: whether it was ended, whether everybody was loaded, and its owner.
local ended, user, users_loaded = unpack(KEYS)
return {redis.call('EXISTS', ended), redis.call('EXISTS', users_loaded), redis.call('HMGET', user, 'active', 'role', 'permissions')}
