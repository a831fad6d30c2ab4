--- @include "../../redis/lua/include/checks"

-- Replaces the presented refresh token by the following one, once. A token that was replaced before ends the session, except for a
-- short time in which the request may be repeated after a lost answer.
local session, ended = unpack(KEYS)
local a = cjson.decode(ARGV[1])
must_have('string', a, 'presented', 'following')
must_have('number', a, 'now_ms', 'outage_seconds', 'repeat_ms', 'ended_seconds')
must(a.ended_seconds > 0, 'duration')
must_be('string', ended)
local s = redis.call('HMGET', session, 'principal', 'ends_at', 'current', 'previous', 'rotated_ms', 'extended')
if not s[1] then return cjson.encode({state = 'unknown'}) end
local is_current = s[3] == a.presented
local is_repeat = s[4] == a.presented and a.now_ms - tonumber(s[5]) < a.repeat_ms
if not is_current and not is_repeat then
  redis.call('SET', ended, '1', 'EX', a.ended_seconds)
  redis.call('DEL', session)
  return cjson.encode({state = 'reused', principal = s[1]})
end
local ends, now = tonumber(s[2]), a.now_ms / 1000
local answer = {state = 'rotated', principal = s[1], ends_at = ends, extended = false}
local fields = {'current', a.following}
if now >= ends then
  if not a.is_outage or now >= ends + a.outage_seconds then
    return cjson.encode({state = 'over', principal = s[1], ends_at = ends})
  end
  answer.extended, answer.ends_at, answer.is_first = true, ends + a.outage_seconds, not s[6]
  fields = {'extended', '1', unpack(fields)}
end
if is_current then
  fields = {'previous', a.presented, 'rotated_ms', string.format('%.0f', a.now_ms), unpack(fields)}
end
redis.call('HSET', session, unpack(fields))
return cjson.encode(answer)
