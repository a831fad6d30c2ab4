/** Cleans what every replica has: from then on the database alone answers. */
import * as z from 'zod/mini';
import { feedAppendLua, streams } from '../change-feed/append.ts';
import { script } from '../redis/script.ts';
import { bytesLua, checksLua } from './entry.ts';
import { overlayIndexLua } from './overlay-index.ts';
import { writeReference, type Reference } from './reference.ts';
import type { Site } from '../redis/site.ts';

/** How long it is remembered what became of a transaction, and what is known of a record: two weeks. */
export const rememberSeconds = 14 * 24 * 3600;

const cleanScript = script(`
local committed, stats, floor, feed, by_start, by_unit, unknown, set_aside = unpack(KEYS, 1, 8)
local remember, now, proofs = tonumber(ARGV[1]), tonumber(ARGV[2]), cjson.decode(ARGV[3])
${checksLua}
${bytesLua}
${feedAppendLua}
${overlayIndexLua}
must(is_number(remember) and remember > 0 and is_number(now), 'numbers')
must_be('zset', committed, by_start, by_unit, set_aside)
must_be('set', unknown)
must_be('hash', stats)
must_be('string', floor)
must_be('stream', feed)
must(tonumber(redis.call('GET', floor) or 0), 'floor')
for i, a in ipairs(proofs) do
  must(is_text(a.id) and is_text(a.aggregate) and is_reference(a.reference) and is_number(a.revision), 'proof')
  must_be('hash', KEYS[6 + 3 * i], KEYS[7 + 3 * i], KEYS[8 + 3 * i])
end
local cleaned = 0
for i, a in ipairs(proofs) do
  local tx, overlay, record, reference = KEYS[6 + 3 * i], KEYS[7 + 3 * i], KEYS[8 + 3 * i], a.reference
  local lsn = redis.call('ZSCORE', committed, reference)
  local known = redis.call('HMGET', tx, 'revision', 'state', 'size', 'history', 'quiet')
  local counted = redis.call('HGET', stats, 'counted:' .. a.id)
  -- a later mark of the same transaction waits for its own proof
  if lsn and known[1] and tonumber(known[1]) <= a.revision then
    -- readers ask the replicas for it from here on: those that lack it must not answer
    if tonumber(lsn) > tonumber(redis.call('GET', floor) or 0) then redis.call('SET', floor, lsn) end
    redis.call('ZREM', set_aside, reference)
    redis.call('HDEL', overlay, 'b:' .. a.id, 's:' .. a.id)
    local state = known[2]
    if state == 'committed' then
      state = 'replicated'
      redis.call('HSET', tx, 'state', state, 'history',
        string.sub(known[4] or '[]', 1, -2) .. ',' .. cjson.encode({at = now, state = state}) .. ']')
    end
    local size = tonumber(known[3] or counted or '')
    if size then
      count_bytes(stats, 'cleaned:' .. a.id, -size)
      redis.call('HDEL', tx, 'size')
      redis.call('HDEL', stats, 'counted:' .. a.id)
    end
    redis.call('HDEL', stats, 'cleaned:' .. a.id)
    redis.call('EXPIRE', tx, remember)
    local r = redis.call('HMGET', record, 'obs_unit_id', 'start_ms')
    if redis.call('EXISTS', overlay) == 0 then
      unindex_overlay(by_start, by_unit, unknown, r[1], r[2], a.aggregate)
      redis.call('EXPIRE', record, remember)
    end
    if state == 'replicated' and not known[5] then
      feed_append(feed, '${streams.observations.wakes}', 'change', 'replicated', 'record', a.aggregate,
        'obs_unit_id', r[1] or '', 'transaction', a.id)
    end
    redis.call('ZREM', committed, reference)
    cleaned = cleaned + 1
  end
end
return cleaned
`);

const chunkSize = 200;

/** What the replicas have proved: a transaction, at least at this revision, is in every one's inbox. */
export interface Proof {
  readonly reference: Reference;
  readonly revision: number;
}

/** @returns how many were cleaned */
export async function clean(
  { redis, keys }: Site,
  proofs: readonly Proof[],
  nowMilliseconds: number,
): Promise<number> {
  let cleaned = 0;
  for (let from = 0; from < proofs.length; from += chunkSize) {
    const chunk = proofs.slice(from, from + chunkSize);
    const answer = await cleanScript(
      redis,
      [
        keys.committed,
        keys.stats,
        keys.floor,
        keys.feed(streams.observations.stream),
        keys.overlaid,
        keys.overlaidByUnit,
        keys.overlaidUnknown,
        keys.setAside,
        ...chunk.flatMap(({ reference: { id, aggregate } }) => [
          keys.transaction(id),
          keys.overlay(aggregate),
          keys.record(aggregate),
        ]),
      ],
      [
        rememberSeconds,
        nowMilliseconds,
        JSON.stringify(
          chunk.map(({ reference, revision }) => ({
            id: reference.id,
            aggregate: reference.aggregate,
            reference: writeReference(reference),
            revision,
          })),
        ),
      ],
    );
    cleaned += z.int().parse(answer);
  }
  return cleaned;
}

const reviveScript = script(`
local pending, committed, set_aside, feed = unpack(KEYS, 1, 4)
local references, reason, now = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3])
${checksLua}
${feedAppendLua}
must(is_number(now), 'clock')
must_be('zset', pending, committed, set_aside)
must_be('stream', feed)
for i, reference in ipairs(references) do
  must(is_reference(reference), 'reference')
  must_be('hash', KEYS[3 + 2 * i], KEYS[4 + 2 * i])
end
local revived, lost = 0, {}
for i, reference in ipairs(references) do
  local tx, overlay = KEYS[3 + 2 * i], KEYS[4 + 2 * i]
  local stamp, aggregate, id = string.match(reference, '^(%d+):([^:]+):([^:]+)$')
  if redis.call('ZSCORE', committed, reference) then
    local known = redis.call('HMGET', tx, 'history', 'quiet', 'state')
    local history = known[1] or '[]'
    local function later(state)
      if known[3] == state then return history end
      local entry = cjson.encode({at = now, state = state})
      return history == '[]' and '[' .. entry .. ']' or string.sub(history, 1, -2) .. ',' .. entry .. ']'
    end
    if redis.call('HEXISTS', overlay, 'b:' .. id) == 1 then
      redis.call('HSET', tx, 'state', 'buffered', 'revision', 0, 'history', later('buffered'))
      redis.call('HSET', overlay, 's:' .. id, cjson.encode({state = 'buffered', verified = true}))
      redis.call('ZREM', set_aside, reference)
      redis.call('ZADD', pending, stamp, reference)
      revived = revived + 1
    else
      -- nothing is left of it here: people must see that, and a copy that comes after all is executed
      redis.call('HSET', tx, 'reference', reference, 'state', 'failed', 'outcome', 'lost', 'reason', reason, 'revision', 0,
        'history', later('failed'))
      redis.call('HSETNX', tx, 'records', '[]')
      redis.call('HSETNX', tx, 'attempts', 1)
      redis.call('PERSIST', tx)
      redis.call('ZADD', set_aside, stamp, reference)
      if not known[2] then
        feed_append(feed, '${streams.observations.wakes}', 'change', 'failed', 'record', aggregate,
          'obs_unit_id', '', 'transaction', id)
      end
      lost[#lost + 1] = id
    end
    redis.call('ZREM', committed, reference)
  end
end
return {revived, lost}
`);

const lostReason =
  'Main lost this commit, and the site has no copy of it left. If it was recorded nowhere else, record it again.';

export interface Revived {
  /** put back to pending */
  readonly revived: number;
  /** ids of those of which nothing is left to be executed: they read as failed, with the reason */
  readonly lost: readonly string[];
}

const reviveAnswer = z.tuple([z.int(), z.array(z.string())]);

/** Puts transactions back to pending: main has lost their commits, so they are executed anew. None is dropped silently. */
export async function revive(
  { redis, keys }: Site,
  references: readonly Reference[],
  nowMilliseconds: number,
): Promise<Revived> {
  if (references.length === 0) return { revived: 0, lost: [] };
  const answer = await reviveScript(
    redis,
    [
      keys.pending,
      keys.committed,
      keys.setAside,
      keys.feed(streams.observations.stream),
      ...references.flatMap(({ id, aggregate }) => [keys.transaction(id), keys.overlay(aggregate)]),
    ],
    [JSON.stringify(references.map(writeReference)), lostReason, nowMilliseconds],
  );
  const [revived, lost] = reviveAnswer.parse(answer);
  return { revived, lost };
}
