/** At least two mutations of each Redis script, as far as other files of the catalogue lack them. */
import type { Mutation } from '../mutation.ts';

const lua = (path: string, named: string, test = 'integration/small-scripts.test.ts') => ({
  file: `lib/${path}.lua`,
  test,
  named,
});
const scripts = 'integration/scripts.test.ts';
const promises = 'integration/buffer-promises.test.ts';
const lease = 'the lease of the broadcaster';
const checkpoint = lua('change-feed/lua/write_checkpoint', 'a checkpoint');
const note = lua('sockets/lua/save_subscriptions', 'saveSubscriptions changes neither a');
const turn = lua('sockets/lua/take_turn', 'messages take turns in the order of');
const publish = lua('change-feed/lua/republish_deferred', 'republishDeferred publishes each');
const rotation = lua('sessions/lua/rotate_session', 'a session');
const token = lua('credentials/lua/check_token', 'a credential check');
const session = lua('credentials/lua/check_session', 'a session');
const putTokens = lua('tokens/lua/put_tokens', 'a token');
const revoke = lua('tokens/lua/revoke_token', 'a token');
const putUsers = lua('users/lua/put_users', 'a user');
const feed = lua('change-feed/lua/include/feed', 'republishDeferred publishes each');
const index = lua('buffer/lua/include/overlay_index', 'show', 'integration/lists.test.ts');
const record = lua('buffer/lua/include/record', 'admits a corrected request, while the', promises);
const checks = lua('redis/lua/include/checks', 'restore, mark', scripts);

export const smallScriptMutations: readonly Mutation[] = [
  {
    ...lua('change-feed/lua/read_feed_after', 'the feed'),
    id: 'feed-is-read-from-its-beginning',
    replace: "KEYS[1], ARGV[1], '+'",
    by: "KEYS[1], '-', '+'",
  },
  {
    ...lua('change-feed/lua/read_feed_after', 'the feed'),
    id: 'feed-is-read-backwards',
    replace: "'XRANGE', KEYS[1], ARGV[1], '+'",
    by: "'XREVRANGE', KEYS[1], '+', ARGV[1]",
  },
  {
    ...lua('change-feed/lua/read_feed_between', 'the feed'),
    id: 'feed-between-without-an-end',
    replace: 'ARGV[1], ARGV[2]',
    by: "ARGV[1], '+'",
  },
  {
    ...lua('change-feed/lua/read_feed_between', 'the feed'),
    id: 'feed-between-without-a-beginning',
    replace: 'KEYS[1], ARGV[1]',
    by: "KEYS[1], '-'",
  },
  {
    ...lua('change-feed/lua/read_feed_end', 'the feed'),
    id: 'feed-ends-where-it-begins',
    replace: "'XREVRANGE', KEYS[1], '+', '-'",
    by: "'XRANGE', KEYS[1], '-', '+'",
  },
  {
    ...lua('change-feed/lua/read_feed_end', 'the feed'),
    id: 'empty-feed-ends-nowhere',
    replace: 'return or_mark(KEYS[1], ',
    by: 'return (',
  },
  {
    ...lua('change-feed/lua/include/or_mark', 'the feed'),
    id: 'empty-feed-is-not-marked',
    replace: 'if #found > 0 then return found end',
    by: 'if true then return found end',
  },
  {
    ...lua('change-feed/lua/include/or_mark', 'the feed'),
    id: 'feed-is-marked-with-each-look',
    replace: 'if #found > 0 then return found end',
    by: '',
  },
  {
    ...lua('change-feed/lua/acquire_lease', lease),
    id: 'lease-has-two-holders',
    replace: "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end",
    by: '',
  },
  {
    ...lua('change-feed/lua/acquire_lease', lease),
    id: 'lease-never-ends',
    replace: ", 'PX', ARGV[1])",
    by: ')',
  },
  {
    ...lua('change-feed/lua/renew_lease', lease),
    id: 'lost-lease-is-renewed',
    replace: "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end",
    by: '',
  },
  {
    ...lua('change-feed/lua/renew_lease', lease),
    id: 'renewed-lease-is-not-prolonged',
    replace: "return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    by: 'return 1',
  },
  {
    ...lua('change-feed/lua/release_lease', lease),
    id: 'lease-of-another-is-released',
    replace: "redis.call('GET', KEYS[1]) == ARGV[1]",
    by: 'true',
  },
  {
    ...lua('change-feed/lua/release_lease', lease),
    id: 'lease-is-not-released',
    replace: "redis.call('DEL', KEYS[1])",
    by: '',
  },
  {
    ...checkpoint,
    id: 'checkpoint-of-an-earlier-broadcaster',
    replace: 'if known > tonumber(ARGV[1]) then return 0 end',
    by: '',
  },
  { ...checkpoint, id: 'checkpoint-is-written-once', replace: 'known > tonumber', by: 'known >= tonumber' },
  {
    ...note,
    id: 'note-revives-a-subscription',
    replace: 'known and cjson.decode(known).asked == a.asked',
    by: 'not known or cjson.decode(known).asked == a.asked',
  },
  {
    ...note,
    id: 'note-replaces-what-was-asked-since',
    replace: 'cjson.decode(known).asked == a.asked',
    by: 'true',
  },
  {
    ...turn,
    id: 'dead-message-keeps-its-turn',
    replace: "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2])",
    by: '',
  },
  { ...turn, id: 'message-gets-another-place-with-each-look', replace: "'NX', ", by: '' },
  {
    ...publish,
    id: 'deferred-change-is-published-for-ever',
    replace: "redis.call('SREM', deferred, each)",
    by: '',
  },
  {
    ...feed,
    id: 'feed-entry-is-not-appended',
    replace: "redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', ...)",
    by: "'0-1'",
  },
  { ...feed, id: 'feed-entry-without-its-fields', replace: "'*', ...)", by: "'*', 'change', 'changed')" },
  {
    ...lua('buffer/lua/release', 'release returns claimed transactions'),
    id: 'release-puts-back-what-is-not-claimed',
    replace: "if redis.call('ZSCORE', inflight, reference) then",
    by: 'if true then',
  },
  {
    ...lua('buffer/lua/release', 'restore, mark', scripts),
    id: 'release-takes-any-reference',
    replace: "for _, reference in ipairs(ARGV) do must(is_reference(reference), 'reference') end",
    by: '',
  },
  {
    ...lua('buffer/lua/clean', 'restore, mark', scripts),
    id: 'clean-takes-any-proof',
    replace: "must(is_text(a.id) and is_reference(a.reference) and is_number(a.revision), 'proof')",
    by: '',
  },
  {
    ...lua('buffer/lua/revive', 'restore, mark', scripts),
    id: 'revive-takes-any-reference',
    replace: "must(is_reference(reference), 'reference')",
    by: '',
  },
  {
    ...lua('buffer/lua/quarantine', 'quarantine removes a body only if it is'),
    id: 'another-body-is-put-away',
    replace: "if redis.call('HGET', overlay, 'b:' .. id) ~= text then return 0 end",
    by: '',
  },
  {
    ...lua('buffer/lua/include/bytes', 'reaches the same result when it is cut', scripts),
    id: 'bytes-are-counted-again-after-a-cut',
    replace: "if redis.call('HEXISTS', stats, name) == 1 then return end",
    by: '',
  },
  {
    ...lua('buffer/lua/include/bytes', 'reaches the same result when it is cut', scripts),
    id: 'bytes-are-counted-and-noted-by-two-commands',
    replace: "string.format('%.0f', bytes + size), name,",
    by: "string.format('%.0f', bytes + size)) redis.call('HSET', stats, name,",
  },
  {
    ...index,
    id: 'overlay-of-a-known-unit-is-not-indexed',
    replace: "redis.call('ZADD', by_start, start_ms, aggregate)",
    by: '',
  },
  {
    ...index,
    id: 'overlay-of-an-unknown-unit-is-not-indexed',
    replace: "redis.call('SADD', unknown, aggregate)",
    by: '',
  },
  {
    ...record,
    id: 'end-not-noted-as-the-first-release-reads-it',
    replace: 'milliseconds(ended)',
    by: 'ended',
    named: 'accept also writes the fields that the',
  },
  {
    ...record,
    id: 'given-up-change-is-still-known',
    replace:
      "redis.call('HDEL', record, 'given_status', 'end_time', 'end_at', 'given_metadata', 'finish', 'finished_by')",
    by: '',
  },
  { ...checks, id: 'not-a-number-is-a-number', replace: 'and n == n ', by: '' },
  {
    ...checks,
    id: 'any-text-is-a-reference',
    replace: "string.match(t, '^%d+:[^:]+:[^:]+$') ~= nil",
    by: 'true',
  },
  {
    ...rotation,
    id: 'replaced-refresh-token-is-taken',
    replace: 'and a.now_ms - tonumber(s[5]) < a.repeat_ms',
    by: '',
  },
  {
    ...rotation,
    id: 'stolen-session-is-not-revoked',
    replace: "redis.call('SET', ended, '1', 'EX', a.ended_seconds)",
    by: '',
  },
  { ...rotation, id: 'outage-prolongs-without-end', replace: 'or now >= ends + a.outage_seconds', by: '' },
  { ...rotation, id: 'session-that-is-over-goes-on', replace: 'not a.is_outage or', by: '' },
  { ...token, id: 'refused-use-is-counted', replace: "t[1] == ARGV[1] and t[2] ~= '1' and", by: '' },
  {
    ...token,
    id: 'unknown-token-is-unknown-before-everybody-is-loaded',
    replace: "redis.call('EXISTS', users_loaded)",
    by: '1',
  },
  {
    ...session,
    id: 'ended-session-goes-on',
    replace: "redis.call('EXISTS', ended)",
    by: '0',
    named: 'continues with the next token, and',
  },
  {
    ...session,
    id: 'owner-of-a-session-is-not-looked-at',
    replace: "redis.call('HMGET', user, 'active', 'role', 'permissions')",
    by: '{false, false, false}',
    named: 'a credential check',
  },
  {
    ...putTokens,
    id: 'loaded-token-is-revoked-no-more',
    replace: 'had[i][3] or a.revoked',
    by: 'a.revoked',
  },
  {
    ...putTokens,
    id: 'older-count-of-uses-replaces-a-newer-one',
    replace: 'if had[i][1] < a.uses then',
    by: 'if true then',
  },
  {
    ...lua('tokens/lua/reserve_token', 'a place that was left', 'integration/token-limit.test.ts'),
    id: 'place-that-nobody-uses-is-never-free',
    replace: "'ZCOUNT', in_the_making, a.now_ms",
    by: "'ZCOUNT', in_the_making, '-inf'",
  },
  {
    ...revoke,
    id: 'forgotten-token-is-made-up',
    replace: "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end",
    by: '',
  },
  { ...revoke, id: 'revoked-token-is-good', replace: "redis.call('HSET', KEYS[1], 'revoked', '1')", by: '' },
  {
    ...putUsers,
    id: 'older-row-of-a-user-replaces-a-newer-one',
    replace: 'if newer[i] then',
    by: 'if true then',
  },
  { ...putUsers, id: 'newer-row-of-a-user-is-not-taken', replace: 'or 0) <= a.stamp', by: 'or 0) == 0' },
  {
    ...lua('users/lua/include/write_user', 'a user'),
    id: 'deactivated-user-is-written-as-active',
    replace: "a.active and '1' or '0'",
    by: "'1'",
  },
  {
    ...lua('users/lua/include/write_user', 'a user'),
    id: 'user-is-not-among-all',
    replace: "redis.call('SADD', users, a.principal)",
    by: '',
  },
];
