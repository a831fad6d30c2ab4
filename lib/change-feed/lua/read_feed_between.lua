-- The entries from ARGV[1] to ARGV[2], at most ARGV[3].
return redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])
