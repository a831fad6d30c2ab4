import type { Mutation } from '../mutation.ts';

const scripts = { test: 'integration/scripts.test.ts' };
const promises = { test: 'integration/buffer-promises.test.ts' };
const accept = { file: 'lib/buffer/lua/accept.lua' };
const judge = { file: 'lib/buffer/lua/include/judge.lua' };
const mark = { file: 'lib/buffer/lua/mark.lua' };
const restore = { file: 'lib/buffer/lua/restore.lua' };
const clean = { file: 'lib/buffer/lua/clean.lua' };
const claim = { file: 'lib/buffer/lua/claim.lua' };
const transport = { file: 'lib/redis/transport.ts', test: 'integration/lost-connections.test.ts' };

export const bufferMutations: readonly Mutation[] = [
  {
    ...scripts,
    ...judge,
    id: 'accept-writes-a-step-of-no-row',
    replace: "must_have('string', step, 'kind', 'row')",
    by: "must_have('string', step, 'kind')",
  },
  {
    ...scripts,
    ...accept,
    id: 'accept-gives-a-second-stamp-after-a-cut',
    replace: `begun and string.match(begun, '"stamp":(%d+)') or `,
    by: '',
    named: 'reaches the same result when it is cut',
  },
  {
    ...scripts,
    ...judge,
    id: 'accept-takes-its-own-cut-start-for-another',
    replace: 'if row.base and row.by ~= id then',
    by: 'if row.base then',
    named: 'reaches the same result when it is cut',
  },
  {
    ...promises,
    ...accept,
    id: 'accept-verifies-a-repeat-of-what-is-unknown',
    replace: 'base = base, status = status, state = state',
    by: 'base = base, status = a.status, state = state',
    named: 'answers 202 to a finish of an unknown unit, and to another request for the same',
  },
  {
    ...promises,
    ...accept,
    id: 'accept-keeps-the-key-of-what-was-given-up',
    replace: 'if a.former ~= key_of or not repeat_refusal_of(entry_of(former)) then',
    by: 'if true then',
    named: 'admits a corrected request, while the',
  },
  {
    ...promises,
    ...accept,
    id: 'accept-knows-no-alias',
    replace: 'local known = entry_of(tx) or entry_of(tx_alias)',
    by: 'local known = entry_of(tx)',
    named: 'accept recognises a transaction under',
  },
  {
    ...promises,
    ...mark,
    id: 'mark-remembers-what-was-refused',
    replace: 'if a.is_abandoned then forget(a) end',
    by: '',
    named: 'admits a corrected request, while the',
  },
  {
    ...promises,
    ...mark,
    id: 'mark-says-nothing-of-a-body-that-lacks',
    replace: 'incomplete[#incomplete + 1] = a.id',
    by: 'incomplete = incomplete',
    named: 'the body is restored before the copy',
  },
  {
    ...scripts,
    ...mark,
    id: 'mark-checks-no-row-before-it-writes',
    replace: "must(is_reference(a.reference) and is_number(a.revision) and is_number(a.attempts), 'row')",
    by: '',
    named: 'restore, mark',
  },
  {
    ...promises,
    ...restore,
    id: 'restore-leaves-a-recorded-entry-without-its-body',
    replace: 'if begun or not is_held then',
    by: 'if true then',
    named: 'the body is restored before the copy',
  },
  {
    ...scripts,
    ...restore,
    id: 'restore-counts-its-bytes-twice',
    replace: "if not known[6] then count_bytes(stats, 'counted:' .. a.id, size) end",
    by: "redis.call('HINCRBY', stats, 'bytes', size)",
    named: 'reaches the same result when it is cut',
  },
  {
    ...promises,
    file: 'lib/buffer/lua/revive.lua',
    id: 'revive-drops-what-has-no-body',
    replace: 'lost[#lost + 1] = id',
    by: 'lost = lost',
    named: 'a transaction reads as failed with a',
  },
  {
    ...scripts,
    ...clean,
    id: 'clean-counts-its-bytes-twice',
    replace: "count_bytes(stats, 'cleaned:' .. a.id, -size)",
    by: "redis.call('HINCRBY', stats, 'bytes', -size)",
    named: 'reaches the same result when it is cut',
  },
  {
    ...promises,
    ...claim,
    id: 'claim-takes-an-entry-without-its-body-for-recorded',
    replace: "state = 'incomplete'",
    by: "state = 'recorded'",
    named: 'the copy restores the body after a',
  },
  {
    ...promises,
    ...claim,
    id: 'claim-gives-others-work-to-a-processor-of-recorded-copies',
    replace: 'if limit > 0 and work and not is_away then',
    by: 'if limit > 0 and not is_away then',
    named: 'claim takes no other transactions when',
  },
  {
    ...promises,
    id: 'sweeper-skips-those-that-share-a-stamp',
    file: 'functions/sweep/resend.ts',
    replace: 'after === undefined || stamp > Number(from) || member > after',
    by: 'after === undefined || stamp > Number(from)',
    named: 'resends each old transaction once, even',
  },
  {
    ...transport,
    id: 'redis-first-call-is-not-repeated',
    replace: "if (isKept) resolve('connection lost');",
    by: "if (false as boolean) resolve('connection lost');",
  },
  {
    ...transport,
    id: 'redis-waits-for-a-dead-connection-to-the-end',
    replace: 'if (isKept && idle >= this.#suspectAfter) limit(milliseconds / 3);',
    by: '',
    named: 'vanish',
  },
  {
    id: 'postgres-uses-a-connection-that-died',
    file: 'lib/postgres/connect.ts',
    replace: 'if (usedAt === undefined || performance.now() - usedAt < this.#suspectAfter) return client;',
    by: 'if (usedAt !== null) return client;',
    test: 'integration/lost-connections.test.ts',
    named: 'Postgres',
  },
  {
    id: 'postgres-waits-for-each-dead-connection',
    file: 'lib/postgres/connect.ts',
    replace: 'this.#deadSince = Math.max(this.#deadSince, usedAt);',
    by: '',
    test: 'integration/lost-connections.test.ts',
    named: 'waits for one connection that vanished',
  },
];
