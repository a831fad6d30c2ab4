/**
 * Leases: a processor claims pending transactions for a while, so that others do not send the same work to main. A lease
 * only saves work. It is the inbox at main that makes execution happen once.
 */
import * as z from 'zod/mini';
import { script } from '../redis/script.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { checksLua } from './entry.ts';
import { readReference, writeReference, type Reference } from './reference.ts';
import type { Site } from '../redis/site.ts';

const claimScript = script(`
local pending, inflight, main_down, committed = unpack(KEYS, 1, 4)
local now, lease_end, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local asks = ARGV[4] == 'always'
${checksLua}
must(is_number(now) and is_number(lease_end) and is_number(limit) and limit >= 0 and limit <= 3000, 'numbers')
must_be('zset', pending, inflight, committed)
for i = 5, #KEYS do must_be('hash', KEYS[i]) end
local is_away = not asks and redis.call('EXISTS', main_down) == 1

-- Into the one before out of the other: a run that is cut leaves a transaction in both, and the next run ends it.
local function lease(references)
  if #references == 0 then return end
  local entries = {}
  for _, reference in ipairs(references) do
    entries[#entries + 1] = ARGV[2]
    entries[#entries + 1] = reference
  end
  redis.call('ZADD', inflight, unpack(entries))
  redis.call('ZREM', pending, unpack(references))
end

-- leases that have run out
for _, reference in ipairs(redis.call('ZRANGE', inflight, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  if is_reference(reference) then redis.call('ZADD', pending, string.match(reference, '^%d+'), reference) end
  redis.call('ZREM', inflight, reference)
end

-- the copies that came with the messages
local copies, mine, work = {}, {}, asks
for i = 5, #KEYS, 2 do
  local known = redis.call('HMGET', KEYS[i], 'reference', 'outcome', 'state')
  local id = string.match(known[1] or '', '[^:]+$') or ''
  local has_body = redis.call('HEXISTS', KEYS[i + 1], 'b:' .. id) == 1
  local state = 'unknown'
  if known[1] and known[2] ~= 'lost' then
    if redis.call('ZSCORE', pending, known[1]) then
      state = is_away and 'busy' or 'claimed'
      if not is_away then mine[#mine + 1] = known[1] end
    elseif redis.call('ZSCORE', inflight, known[1]) then
      state = 'busy'
    elseif redis.call('ZSCORE', committed, known[1]) and not has_body then
      state = 'incomplete'
    else
      state = 'recorded'
    end
  end
  work = work or state == 'unknown' or state == 'claimed'
  copies[#copies + 1] = state
end
local is_mine = {}
for _, reference in ipairs(mine) do is_mine[reference] = true end

-- A processor whose copies are all seen to already leaves the rest to others, and comes to the next messages sooner.
local oldest, all = {}, {unpack(mine)}
if limit > 0 and work and not is_away then
  for _, reference in ipairs(redis.call('ZRANGE', pending, 0, limit - 1)) do
    if not is_mine[reference] then
      oldest[#oldest + 1] = reference
      all[#all + 1] = reference
    end
  end
end
lease(all)
return {copies, oldest, redis.call('ZCARD', pending), is_away and 1 or 0}
`);

const copyState = z.enum(['unknown', 'claimed', 'busy', 'recorded', 'incomplete']);
export type CopyState = z.infer<typeof copyState>;

const claimAnswer = z.tuple([z.array(copyState), z.array(z.string()), z.int(), z.int()]);

export interface Claims {
  /**
   * of each copy, in order. `unknown`: Redis has forgotten it; `claimed`: this call has the lease; `busy`: another
   * processor has it; `recorded`: main has it already; `incomplete`: main has it, and Redis has lost its body, which readers
   * need until every replica has it
   */
  readonly copies: readonly CopyState[];
  /** claimed besides the copies: the oldest pending ones */
  readonly oldest: readonly Reference[];
  /** what is left pending */
  readonly backlog: number;
  /** nothing was claimed: another processor has found main out of reach, and looks for it */
  readonly mainIsAway: boolean;
}

/**
 * Claims the given copies and, if one of them is to be executed, up to `limit` of the oldest pending transactions, until
 * `now + leaseMilliseconds`. With `always` the oldest ones are claimed in any case.
 */
export async function claim(
  { redis, keys }: Site,
  request: {
    readonly copies: readonly Pick<Transaction, 'id' | 'aggregate'>[];
    readonly limit: number;
    readonly nowMilliseconds: number;
    readonly leaseMilliseconds: number;
    /** claim also while main is known to be out of reach, and without copies */
    readonly always: boolean;
  },
): Promise<Claims> {
  const answer = await claimScript(
    redis,
    [
      keys.pending,
      keys.inflight,
      keys.mainDown,
      keys.committed,
      ...request.copies.flatMap(({ id, aggregate }) => [keys.transaction(id), keys.overlay(aggregate)]),
    ],
    [
      request.nowMilliseconds,
      request.nowMilliseconds + request.leaseMilliseconds,
      request.limit,
      request.always ? 'always' : 'unless main is away',
    ],
  );
  const [copies, oldest, backlog, isAway] = claimAnswer.parse(answer);
  return { copies, oldest: oldest.map(readReference), backlog, mainIsAway: isAway === 1 };
}

const releaseScript = script(`
local pending, inflight = KEYS[1], KEYS[2]
${checksLua}
for _, reference in ipairs(ARGV) do must(is_reference(reference), 'reference') end
must_be('zset', pending, inflight)
for _, reference in ipairs(ARGV) do
  if redis.call('ZSCORE', inflight, reference) then
    redis.call('ZADD', pending, string.match(reference, '^%d+'), reference)
    redis.call('ZREM', inflight, reference)
  end
end
return redis.call('ZCARD', pending)
`);

/** Gives claimed transactions back, so that the next processor need not wait for the lease to run out. */
export async function release(
  { redis, keys }: Site,
  references: readonly Pick<Transaction, 'stamp' | 'aggregate' | 'id'>[],
): Promise<void> {
  if (references.length === 0) return;
  await releaseScript(redis, [keys.pending, keys.inflight], references.map(writeReference));
}
