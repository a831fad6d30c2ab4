import type { Mutation } from '../mutation.ts';

/** Mutations that leave a cut-off script incomplete, or let it fail after its first write. */
const scripts = { test: 'integration/scripts.test.ts' };
const cut = { ...scripts, named: 'reaches the same result when it is cut' };

export const scriptMutations: readonly Mutation[] = [
  {
    ...cut,
    id: 'ticket-of-a-cut-connection-spent',
    file: 'lib/sockets/lua/register_connection.lua',
    replace: 'if not is_begun then',
    by: 'if true then',
  },
  {
    ...cut,
    id: 'deferred-change-forgotten-before-it-is-published',
    file: 'lib/change-feed/lua/republish_deferred.lua',
    replace:
      "  if field then feed_append(observations, wakes, 'change', 'changed', field, id) end\n  redis.call('SREM', deferred, each)",
    by: "  redis.call('SREM', deferred, each)\n  if field then feed_append(observations, wakes, 'change', 'changed', field, id) end",
  },
  {
    ...cut,
    id: 'relay-moves-on-before-its-entries',
    file: 'lib/change-feed/lua/relay_changes.lua',
    replace: "if a.transfer then feed_append(transfer, a.wakes.transfer, 'change', a.transfer) end",
    by: "redis.call('SET', relay, a.reached)\nif a.transfer then feed_append(transfer, a.wakes.transfer, 'change', a.transfer) end",
  },
  {
    ...cut,
    id: 'relay-forgets-nothing-after-a-cut',
    file: 'lib/change-feed/relay.ts',
    replace: 'passedBy(state.cursor, state.ahead).length > 0',
    by: 'false',
  },
  {
    ...cut,
    id: 'wait-of-a-cut-request-not-counted',
    file: 'lib/smart-query/lua/enter_wait.lua',
    replace: "if not is_taken and (redis.call('ZCARD', all) >= of_all",
    by: "if is_taken then return 1 end\nif not is_taken and (redis.call('ZCARD', all) >= of_all",
  },
  {
    ...cut,
    id: 'bytes-of-what-is-put-away-taken-off-twice',
    file: 'lib/buffer/lua/quarantine.lua',
    replace: "count_bytes(stats, 'cleaned:' .. id, -size)",
    by: "redis.call('HINCRBY', stats, 'bytes', -size)",
  },
  {
    ...cut,
    id: 'user-written-before-the-set-of-all',
    file: 'lib/users/lua/include/write_user.lua',
    replace: "  redis.call('SADD', users, a.principal)\n",
    by: "  redis.call('HSET', user, 'stamp', string.format('%.0f', a.stamp))\n  redis.call('SADD', users, a.principal)\n",
  },
  {
    ...scripts,
    named: 'writes nothing',
    id: 'token-without-a-time-written',
    file: 'lib/tokens/lua/put_tokens.lua',
    replace: "must(a.kept_until == nil or is_number(a.kept_until), 'kept_until')",
    by: '',
  },
  {
    ...scripts,
    named: 'writes nothing',
    id: 'change-relayed-without-its-record',
    file: 'lib/change-feed/lua/relay_changes.lua',
    replace: "for _, each in ipairs(a.records) do must_have('string', each, 'record', 'left', 'table') end",
    by: '',
  },
];
