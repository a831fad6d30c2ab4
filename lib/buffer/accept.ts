/**
 * The accept script: one atomic step that authenticates, judges and records a write, or refuses it without a trace.
 */
import * as z from 'zod/mini';
import { streams } from '../change-feed/streams.ts';
import type { Claimant } from '../people/claimant.ts';
import type { Keys } from '../redis/keys.ts';
import { acceptScript } from '../redis/generated/scripts.ts';
import { states } from '../transaction/lifecycle.ts';
import { filledIn, isQuiet, recordIdsOf, type Transaction } from '../transaction/transaction.ts';
import { judgedSteps } from './judged-steps.ts';
import { stateFlags } from './states.ts';
import type { Site } from '../redis/site.ts';

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
  /** another request has started or finished the record */
  'taken',
  'finished',
  /** `detail` is the start, as an instant */
  'before_start',
  /** the same request came before; `detail` is the reason */
  'refused_before',
  'discarded_before',
  'full',
] as const;

/** Why the script records nothing. */
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
    /** decimal µs: the stamp that the transaction got */
    stamp: z.optional(z.string()),
    patch: z.string(),
    base: z.union([z.string(), cjsonFalse]),
    /** of a repeated finish: where the first one is */
    state: z.optional(z.enum(states)),
    /** of a replay or a repeat: where its transaction is, and the others of its record that are not cleaned */
    states: z.optional(z.array(z.enum(states))),
    status: z.int(),
    /** how many more requests of this second would be taken */
    left: z.optional(z.number()),
  }),
]);

export type AcceptVerdict = z.infer<typeof verdict>;

/**
 * Runs the accept script; twice if the key stands for another request, to see whether that one was refused or discarded.
 * @throws whatever the client throws when Redis does not answer: the write may or may not have been recorded
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
      keys.transaction(transaction.alias ?? transaction.id),
      keys.transaction(discarded ?? transaction.id),
      ...(former === '' ? [] : [keys.transaction(former)]),
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
        aggregate: transaction.aggregate,
        records: JSON.stringify(recordIdsOf(transaction)),
        filled: filledIn(transaction),
        stamp,
        status: request.status,
        has_key: request.keyDigest !== undefined,
        unknown_status: unknownStatus,
        ...judgedSteps(transaction, request.patch),
        ...stateFlags,
        quiet: isQuiet(transaction),
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

/** HTTP status of the answer to a change of what the site does not know: main will judge. */
const unknownStatus = 202;

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
