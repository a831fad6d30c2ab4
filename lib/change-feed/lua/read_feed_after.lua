--- @include "include/or_mark"

-- The entry at ARGV[1] and at most ARGV[2] in all from there on; the typed commands of the client reorder entries by key.
return or_mark(KEYS[1], redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]))
