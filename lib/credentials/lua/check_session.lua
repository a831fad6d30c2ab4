-- What a session's credential is worth now: whether it was ended, whether everybody was loaded, and its owner.
local ended, user, people_loaded = unpack(KEYS)
return {redis.call('EXISTS', ended), redis.call('EXISTS', people_loaded), redis.call('HMGET', user, 'active', 'role', 'permissions')}
