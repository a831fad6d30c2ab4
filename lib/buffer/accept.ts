/** The accept script authenticates, judges and records a write in one atomic step. A refused write leaves no trace. */
import * as z from 'zod/mini';
import { streams } from '../change-feed/streams.ts';
import type { Claimant } from '../people/claimant.ts';
import type { Keys } from '../redis/keys.ts';
import { acceptScript } from '../redis/generated/scripts.ts';
import { states } from '../transaction/lifecycle.ts';
import { filledColumns, hasNoFeed, type Transaction } from '../transaction/transaction.ts';
import { aggregateKeys, namedAggregates } from './aggregate-keys.ts';
import { judgedSteps } from './judged-steps.ts';
import { stateFlags } from './states.ts';
import type { Site } from '../redis/site.ts';

export interface AcceptRequest {
  readonly claimant: Claimant;
  /** '' if no permission is required */
  readonly permission: string;
  readonly transaction: Transaction;
  /** digest of the idempotency key, if the client sent one */
  readonly keyDigest?: string;
  /** JSON of the fields that the answer shows over the known record */
  readonly patch: string;
  /** HTTP status of the answer if the site knows the record */
  readonly status: number;
  readonly nowMilliseconds: number;
  /** limit for one token or user */
  readonly requestsPerSecond: number;
  readonly budgetBytes: number;
}

const refusals = [
  /** Redis has lost users and tokens */
  'users_missing',
  'unauthorized',
  'forbidden',
  'too_many',
  'key_reused',
  /** another request has started or finished the record */
  'taken',
  'finished',
  /** `detail` is the start, as an instant */
  'before_start',
  /** an identical request was refused or discarded before; `detail` is the reason */
  'refused_before',
  'discarded_before',
  'full',
] as const;

/** Reasons for which the script records nothing. */
export type AcceptRefusal = (typeof refusals)[number];

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
    /** the transaction's stamp in µs, as decimal text */
    stamp: z.optional(z.string()),
    patch: z.string(),
    base: z.union([z.string(), cjsonFalse]),
    /** for a repeated finish: the state of the first one */
    state: z.optional(z.enum(states)),
    /** for a replay or repeat: states of the original transaction and of the record's other transactions in the buffer */
    states: z.optional(z.array(z.enum(states))),
    status: z.int(),
    /** further requests that the rate limit allows in this second */
    left: z.optional(z.number()),
  }),
]);

export type AcceptVerdict = z.infer<typeof verdict>;

/**
 * Runs the accept script, and again if the key belongs to another transaction, to check whether that one was refused or discarded.
 * @throws the errors of the Redis client; if Redis does not answer, the write may or may not have been recorded
 */
export async function accept(site: Site, request: AcceptRequest): Promise<AcceptVerdict> {
  const answer = await run(site, request);
  if (!('refused' in answer) || answer.refused !== 'key_reused' || !answer.detail) return answer;
  const again = await run(site, request, answer.detail);
  return { ...again, ...(answer.left !== undefined && { left: answer.left }) };
}

async function run({ redis, keys }: Site, request: AcceptRequest, former = ''): Promise<AcceptVerdict> {
  const { claimant, transaction, nowMilliseconds: now } = request;
  const { stamp, ...body } = transaction;
  const second = Math.floor(now / 1000);
  const rated = rateOf(claimant);
  const discarded = transaction.steps.find((step) => step.kind === 'discard')?.transaction;
  const answer = await acceptScript(
    redis,
    [
      keys.transaction(transaction.id),
      keys.pending,
      keys.idempotency(claimant.principalId, request.keyDigest ?? transaction.id),
      credentialKey(keys, claimant),
      keys.usersLoaded,
      keys.user(claimant.principalId),
      keys.rate(rated, String(second)),
      keys.rate(rated, String(second - 1)),
      keys.stats,
      keys.overlaid,
      keys.overlaidByUnit,
      keys.overlaidUnknown,
      keys.overlaidByRecord,
      keys.feed(streams.observations.stream),
      keys.transaction(transaction.alias ?? transaction.id),
      keys.transaction(discarded ?? transaction.id),
      keys.transaction(former === '' ? transaction.id : former),
      ...aggregateKeys(keys, transaction),
    ],
    [
      JSON.stringify({
        credential: claimant.kind,
        principal: claimant.principalId,
        permission: request.permission,
        id: transaction.id,
        alias: transaction.alias ?? '',
        former,
        discards: discarded !== undefined,
        ...namedAggregates(transaction),
        filled: filledColumns(transaction),
        stamp,
        status: request.status,
        has_key: request.keyDigest !== undefined,
        unknown_status: unknownStatus,
        ...judgedSteps(transaction, request.patch),
        ...stateFlags,
        has_no_feed: hasNoFeed(transaction),
        now_ms: now,
        rest_of_window: 1 - (now % 1000) / 1000,
        rate_limit: request.requestsPerSecond,
        budget: request.budgetBytes,
        wakes: streams.observations.wakes,
      }),
      JSON.stringify(body).slice(1),
      request.patch,
    ],
  );
  return verdict.parse(JSON.parse(z.string().parse(answer)));
}

/** HTTP status of the answer to a change of a record that the site does not know: main will judge it. */
const unknownStatus = 202;

/** The key of the rate limit: per API token, or per user for sessions. Reads are counted separately. */
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

/** The transaction with the stamp that the script assigned. */
export function withStamp(transaction: Transaction, stamp: string): Transaction {
  return { ...transaction, stamp: Number(stamp) };
}
