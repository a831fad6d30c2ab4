--- @include "include/or_mark"

-- The last entry.
return or_mark(KEYS[1], redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1))
