/**
 * Leases: a processor claims pending transactions for a while, so that others do not send the same work to main. A lease
 * only saves work. It is the inbox at main that makes execution happen once.
 */
import * as z from 'zod/mini';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { script } from '../redis/script.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { readReference, writeReference, type Reference } from './reference.ts';

const claimScript = script(`
local pending, inflight, main_down = KEYS[1], KEYS[2], KEYS[3]
local now, lease_end, limit = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local is_away = ARGV[4] == 'unless main is away' and redis.call('EXISTS', main_down) == 1

local function claim(reference)
  redis.call('ZREM', pending, reference)
  redis.call('ZADD', inflight, lease_end, reference)
end

-- leases that have run out
for _, reference in ipairs(redis.call('ZRANGE', inflight, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  redis.call('ZREM', inflight, reference)
  redis.call('ZADD', pending, string.match(reference, '^%d+'), reference)
end

-- the copies that came with the messages
local copies = {}
for i = 4, #KEYS do
  local known = redis.call('HMGET', KEYS[i], 'reference', 'state')
  local state = 'unknown'
  if known[1] then
    if redis.call('ZSCORE', pending, known[1]) then
      if is_away then
        state = 'busy'
      else
        claim(known[1])
        state = 'claimed'
      end
    elseif redis.call('ZSCORE', inflight, known[1]) then
      state = 'busy'
    else
      state = 'recorded'
    end
  end
  copies[i - 3] = state
end

local oldest = {}
if limit > 0 and not is_away then
  oldest = redis.call('ZRANGE', pending, 0, limit - 1)
  for _, reference in ipairs(oldest) do claim(reference) end
end
return {copies, oldest, redis.call('ZCARD', pending), is_away and 1 or 0}
`);

const copyState = z.enum(['unknown', 'claimed', 'busy', 'recorded']);
const claimAnswer = z.tuple([z.array(copyState), z.array(z.string()), z.int(), z.int()]);

export interface Claims {
  /**
   * of each copy, in order. `unknown`: Redis has forgotten it; `claimed`: this call has the lease; `busy`: another
   * processor has it; `recorded`: main has it already
   */
  readonly copies: readonly z.infer<typeof copyState>[];
  /** claimed besides the copies: the oldest pending ones */
  readonly oldest: readonly Reference[];
  /** what is left pending */
  readonly backlog: number;
  /** nothing was claimed: another processor has found main out of reach, and looks for it */
  readonly mainIsAway: boolean;
}

/**
 * Claims the given copies and up to `limit` of the oldest pending transactions until `now + leaseMilliseconds`.
 */
export async function claim(
  redis: Redis,
  keys: Keys,
  request: {
    readonly copyIds: readonly string[];
    readonly limit: number;
    readonly nowMilliseconds: number;
    readonly leaseMilliseconds: number;
    /** claim also while main is known to be out of reach */
    readonly always: boolean;
  },
): Promise<Claims> {
  const answer = await claimScript(
    redis,
    [keys.pending, keys.inflight, keys.mainDown, ...request.copyIds.map((id) => keys.transaction(id))],
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
for _, reference in ipairs(ARGV) do
  if redis.call('ZREM', inflight, reference) == 1 then
    redis.call('ZADD', pending, string.match(reference, '^%d+'), reference)
  end
end
return redis.call('ZCARD', pending)
`);

/** Gives claimed transactions back, so that the next processor need not wait for the lease to run out. */
export async function release(
  redis: Redis,
  keys: Keys,
  references: readonly Pick<Transaction, 'stamp' | 'aggregate' | 'id'>[],
): Promise<void> {
  if (references.length === 0) return;
  await releaseScript(redis, [keys.pending, keys.inflight], references.map(writeReference));
}
