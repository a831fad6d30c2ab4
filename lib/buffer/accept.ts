/**
 * The accept script: one atomic step that authenticates, judges and records a write, or refuses it without a trace.
 */
import * as z from 'zod/mini';
import { feedAppendLua, streams } from '../change-feed/append.ts';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { script } from '../redis/script.ts';
import { overlayIndexLua } from './overlay-index.ts';
import { states } from '../transaction/lifecycle.ts';
import { isQuiet, recordIdsOf, type Transaction } from '../transaction/transaction.ts';

const acceptScript = script(`
local tx, pending, overlay, record, idem, credential, people_loaded, user, rate_now, rate_before, stats, by_start, by_unit,
  unknown, feed = unpack(KEYS)
local a, rest = cjson.decode(ARGV[1]), ARGV[2]
local base, patch = false, ARGV[3]
${feedAppendLua}
${overlayIndexLua}
local left
-- the first release wrote an instant in milliseconds if it has no more
local function microseconds(text) return (string.gsub(text or '', '^(.*%.%d%d%d)Z$', '%1000Z')) end
local function refuse(why, detail) return cjson.encode({refused = why, detail = detail, left = left}) end

-- who
local owner = redis.call('HMGET', user, 'active', 'permissions')
local are_loaded = redis.call('EXISTS', people_loaded) == 1
if a.credential == 'api-token' then
  local token = redis.call('HMGET', credential, 'principal', 'permissions', 'expires_at', 'revoked')
  if not token[1] and not are_loaded then return refuse('people_missing') end
  if token[1] ~= a.principal then return refuse('unauthorized', 'The API token is not known.') end
  if token[4] == '1' then return refuse('unauthorized', 'The API token has been revoked.') end
  if token[3] ~= '' and tonumber(token[3]) * 1000 <= a.now_ms then
    return refuse('unauthorized', 'The API token has expired.')
  end
  if a.permission ~= '' and not string.find(' ' .. token[2] .. ' ', ' ' .. a.permission .. ' ', 1, true) then return refuse('forbidden') end
elseif a.credential == 'session' and redis.call('EXISTS', credential) == 1 then
  return refuse('unauthorized', 'The session has been ended.')
end
if a.credential ~= 'none' then
  -- a credential is worth no more than its owner is now
  if not owner[1] and not are_loaded then return refuse('people_missing') end
  if owner[1] == '0' then return refuse('unauthorized', 'Its owner has been barred.') end
  if owner[2] and a.permission ~= '' and not string.find(' ' .. owner[2] .. ' ', ' ' .. a.permission .. ' ', 1, true) then
    return refuse('forbidden')
  end

  -- how often: a sliding window of one second, whatever becomes of the request
  local before = tonumber(redis.call('GET', rate_before) or 0)
  local used = redis.call('INCR', rate_now)
  redis.call('EXPIRE', rate_now, 3)
  left = math.floor(a.rate_limit - used - before * a.rest_of_window)
  if left < 0 then
    redis.call('DECR', rate_now)
    left = 0
    return refuse('too_many')
  end
end

-- seen before
local key_of = redis.call('GET', idem)
if key_of and key_of ~= a.id then return refuse('key_reused') end
local known = redis.call('HMGET', tx, 'patch', 'base', 'status')
if known[1] then
  return cjson.encode({replayed = true, patch = known[1], base = known[2], status = tonumber(known[3]), left = left})
end

-- what is known of the record
local r = redis.call('HMGET', record, 'obs_unit_id', 'start_ms', 'base', 'stamp', 'given_status', 'end_time',
  'given_metadata', 'finish')
local unit, start_ms = r[1], r[2]
local verified = true
if a.start then
  if unit then return refuse('taken') end
  unit, start_ms = a.start.obs_unit_id, a.start.start_ms
elseif a.finish then
  base = r[3]
  if r[5] then
    local same = r[5] == a.finish.status and (a.finish.given_end_time == '' or a.finish.given_end_time == microseconds(r[6]))
      and (a.finish.given_metadata == '' or a.finish.given_metadata == r[7])
    if not same then return refuse('finished', r[5]) end
    local flags = redis.call('HGET', overlay, 's:' .. cjson.decode(r[8]).transaction_id)
    local state = flags and cjson.decode(flags).state or 'replicated'
    if state == 'waiting' then state = 'buffered' end
    return cjson.encode({repeated = true, patch = r[8], base = base, status = 200, state = state, left = left})
  end
  verified = unit and true or false
end

-- room
local size = #rest + 2 * #patch + 800
if tonumber(redis.call('HGET', stats, 'bytes') or 0) + size > a.budget then return refuse('full') end

-- from here on nothing is refused
local stamp = string.format('%.0f', math.max(a.stamp, tonumber(r[4] or 0) + 1))
local reference = stamp .. ':' .. a.aggregate .. ':' .. a.id
if a.credential == 'api-token' then
  redis.call('HINCRBY', credential, 'uses', 1)
  redis.call('HSET', credential, 'used_at', a.now_ms)
end
redis.call('HSET', tx, 'reference', reference, 'state', 'buffered', 'revision', 0, 'attempts', 0, 'size', size,
  'records', a.records, 'principal', a.principal, 'patch', patch, 'status', verified and a.status or 202,
  'history', '[' .. cjson.encode({at = a.now_ms, state = 'buffered'}) .. ']')
if base then redis.call('HSET', tx, 'base', base) end
if a.quiet then redis.call('HSET', tx, 'quiet', '1') end
redis.call('ZADD', pending, stamp, reference)
redis.call('HSET', overlay, 'b:' .. a.id, '{"stamp":' .. stamp .. ',' .. rest,
  's:' .. a.id, cjson.encode({state = 'buffered', verified = verified}))
if a.has_key then redis.call('SET', idem, a.id, 'EX', 2592000) end
redis.call('HSET', record, 'stamp', stamp)
redis.call('PERSIST', record)
if a.start then
  redis.call('HSET', record, 'obs_unit_id', unit, 'start_ms', start_ms, 'base', patch)
elseif a.finish then
  redis.call('HSET', record, 'given_status', a.finish.status, 'end_time', a.finish.end_time,
    'given_metadata', a.finish.given_metadata, 'finish', patch)
end
redis.call('HINCRBY', stats, 'bytes', size)
if not a.quiet then
  index_overlay(by_start, by_unit, unknown, unit, start_ms, a.aggregate)
  feed_append(feed, '${streams.observations.wakes}', 'change', 'buffered', 'record', a.aggregate,
    'obs_unit_id', unit or '', 'transaction', a.id)
end
return cjson.encode({accepted = true, stamp = stamp, patch = patch, base = base,
  status = verified and a.status or 202, left = left})
`);

/** Who asks, as far as it is known without a look-up; `none`: it is recorded about somebody, and no credential is asked. */
export type Claimant =
  | { readonly kind: 'none'; readonly principalId: string }
  | { readonly kind: 'api-token'; readonly principalId: string; readonly hash: string }
  | { readonly kind: 'session'; readonly principalId: string; readonly sessionId: string };

export interface AcceptRequest {
  readonly claimant: Claimant;
  /** '' = none is needed */
  readonly permission: string;
  readonly transaction: Transaction;
  /** names the idempotency key, if the client gave one */
  readonly keyDigest?: string;
  /** what the answer says about the record, to be laid over what the site knows of it */
  readonly patch: string;
  /** HTTP status of the answer when the site knows the record */
  readonly status: number;
  readonly start?: { readonly obs_unit_id: number; readonly start_ms: number };
  readonly finish?: {
    readonly status: string;
    readonly end_time: string;
    /** '' = not given */
    readonly given_end_time: string;
    /** canonical JSON; '' = not given */
    readonly given_metadata: string;
  };
  readonly nowMilliseconds: number;
  /** of one principal with a credential */
  readonly requestsPerSecond: number;
  readonly budgetBytes: number;
}

const refusals = [
  /** Redis has forgotten who may do what */
  'people_missing',
  'unauthorized',
  'forbidden',
  'too_many',
  'key_reused',
  'taken',
  'finished',
  'full',
] as const;

const cjsonFalse = z.literal(false);
const verdict = z.union([
  z.object({
    refused: z.enum(refusals),
    detail: z.optional(z.string()),
    left: z.optional(z.number()),
  }),
  z.object({
    accepted: z.optional(z.literal(true)),
    replayed: z.optional(z.literal(true)),
    repeated: z.optional(z.literal(true)),
    /** decimal µs: the stamp that the transaction got */
    stamp: z.optional(z.string()),
    patch: z.string(),
    base: z.union([z.string(), cjsonFalse]),
    /** of a repeated finish: where the first one is */
    state: z.optional(z.enum(states)),
    status: z.int(),
    /** how many more requests of this second would be taken */
    left: z.optional(z.number()),
  }),
]);

export type AcceptVerdict = z.infer<typeof verdict>;

/**
 * Runs the accept script.
 * @throws whatever the client throws when Redis does not answer: the write may or may not have been recorded
 */
export async function accept(redis: Redis, keys: Keys, request: AcceptRequest): Promise<AcceptVerdict> {
  const { claimant, transaction, nowMilliseconds: now } = request;
  const { stamp, ...body } = transaction;
  const second = Math.floor(now / 1000);
  const rated = rateOf(claimant);
  const answer = await acceptScript(
    redis,
    [
      keys.transaction(transaction.id),
      keys.pending,
      keys.overlay(transaction.aggregate),
      keys.record(transaction.aggregate),
      keys.idempotency(claimant.principalId, request.keyDigest ?? transaction.id),
      credentialKey(keys, claimant),
      keys.peopleLoaded,
      keys.user(claimant.principalId),
      keys.rate(rated, String(second)),
      keys.rate(rated, String(second - 1)),
      keys.stats,
      keys.overlaid,
      keys.overlaidByUnit,
      keys.overlaidUnknown,
      keys.feed(streams.observations.stream),
    ],
    [
      JSON.stringify({
        credential: claimant.kind,
        principal: claimant.principalId,
        permission: request.permission,
        id: transaction.id,
        aggregate: transaction.aggregate,
        records: JSON.stringify(recordIdsOf(transaction)),
        stamp,
        status: request.status,
        has_key: request.keyDigest !== undefined,
        start: request.start,
        finish: request.finish,
        quiet: isQuiet(transaction),
        now_ms: now,
        rest_of_window: 1 - (now % 1000) / 1000,
        rate_limit: request.requestsPerSecond,
        budget: request.budgetBytes,
      }),
      JSON.stringify(body).slice(1),
      request.patch,
    ],
  );
  return verdict.parse(JSON.parse(z.string().parse(answer)));
}

/** Whose writes are counted together: a token's are its own, a session's are its user's. No read uses them up. */
function rateOf(claimant: Claimant): string {
  return claimant.kind === 'api-token'
    ? `write:token:${claimant.hash}`
    : `write:user:${claimant.principalId}`;
}

function credentialKey(keys: Keys, claimant: Claimant): string {
  switch (claimant.kind) {
    case 'api-token':
      return keys.token(claimant.hash);
    case 'session':
      return keys.revokedSession(claimant.sessionId);
    case 'none':
      return keys.user(claimant.principalId);
  }
}

/** The transaction as the buffer holds it: with the stamp that the script gave. */
export function withStamp(transaction: Transaction, stamp: string): Transaction {
  return { ...transaction, stamp: Number(stamp) };
}
