/** Cleans what every replica has: from then on the database alone answers. */
import * as z from 'zod/mini';
import { feedAppendLua, streams } from '../change-feed/append.ts';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { script } from '../redis/script.ts';
import { overlayIndexLua } from './overlay-index.ts';
import { writeReference, type Reference } from './reference.ts';

/** How long it is remembered what became of a transaction, and what is known of a record: two weeks. */
export const rememberSeconds = 14 * 24 * 3600;

const cleanScript = script(`
local committed, stats, floor, feed, by_start, by_unit, unknown, set_aside = unpack(KEYS, 1, 8)
local remember, now = tonumber(ARGV[1]), tonumber(ARGV[2])
${feedAppendLua}
${overlayIndexLua}
local cleaned = 0
for i, a in ipairs(cjson.decode(ARGV[3])) do
  local tx, overlay, record, reference = KEYS[6 + 3 * i], KEYS[7 + 3 * i], KEYS[8 + 3 * i], a.reference
  local lsn = redis.call('ZSCORE', committed, reference)
  local known = redis.call('HMGET', tx, 'revision', 'state', 'size', 'history', 'quiet')
  -- a later mark of the same transaction waits for its own proof
  if lsn and known[1] and tonumber(known[1]) <= a.revision then
    redis.call('ZREM', committed, reference)
    redis.call('ZREM', set_aside, reference)
    redis.call('HDEL', overlay, 'b:' .. a.id, 's:' .. a.id)
    if tonumber(lsn) > tonumber(redis.call('GET', floor) or 0) then redis.call('SET', floor, lsn) end
    local state = known[2]
    if state == 'committed' then
      state = 'replicated'
      redis.call('HSET', tx, 'state', state, 'history',
        string.sub(known[4], 1, -2) .. ',' .. cjson.encode({at = now, state = state}) .. ']')
    end
    if known[3] then
      redis.call('HINCRBY', stats, 'bytes', -tonumber(known[3]))
      redis.call('HDEL', tx, 'size')
    end
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
  redis: Redis,
  keys: Keys,
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
local pending, committed = KEYS[1], KEYS[2]
local revived = 0
for i, reference in ipairs(ARGV) do
  local tx, overlay = KEYS[1 + 2 * i], KEYS[2 + 2 * i]
  local id = string.match(reference, '[^:]+$')
  if redis.call('ZREM', committed, reference) == 1 and redis.call('HEXISTS', overlay, 'b:' .. id) == 1 then
    redis.call('ZADD', pending, string.match(reference, '^%d+'), reference)
    redis.call('HSET', tx, 'state', 'buffered', 'revision', 0)
    redis.call('HSET', overlay, 's:' .. id, cjson.encode({state = 'buffered', verified = true}))
    revived = revived + 1
  end
end
return revived
`);

/** Puts transactions back to pending: main has lost their commits, so they are executed anew. */
export async function revive(redis: Redis, keys: Keys, references: readonly Reference[]): Promise<number> {
  if (references.length === 0) return 0;
  const answer = await reviveScript(
    redis,
    [
      keys.pending,
      keys.committed,
      ...references.flatMap(({ id, aggregate }) => [keys.transaction(id), keys.overlay(aggregate)]),
    ],
    references.map(writeReference),
  );
  return z.int().parse(answer);
}
