--- @include "include/or_mark"

-- At most ARGV[2] entries from ARGV[1] on. A script, because the client's typed command would reorder entries by key.
return or_mark(KEYS[1], redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]))
