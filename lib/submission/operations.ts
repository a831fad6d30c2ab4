/** Accepted transactions over HTTP. */
import * as z from 'zod/mini';
import { noSuchUuid, operation, type Of } from '../http/operation.ts';
import { wholeNumberText } from '../values/integer.ts';
import { uuid } from '../values/uuid.ts';
import { submissionProblems } from './problem-codes.ts';
import { states } from '../transaction/lifecycle.ts';
import { waitQuery } from '../observation/wait-query.ts';

export const listedStates = ['failed', 'waiting', 'buffered'] as const;
export type ListedState = (typeof listedStates)[number];

const state = z.enum(states);

export const transactionStatus = z
  .object({
    transaction_id: z.string(),
    record_ids: z.array(z.string()),
    state,
    lsn: z.optional(z.string().check(z.describe('Commit position, as Postgres writes it.'))),
    attempts: z.int(),
    reason: z.optional(z.string()),
    waits_for: z.optional(
      z
        .string()
        .check(
          z.describe(
            'The row that it waits for, `<table>:<id>`. It is applied by itself once the main database has that row.',
          ),
        ),
    ),
    discard: z.optional(
      z
        .literal('requested')
        .check(
          z.describe(
            'An admin has discarded it. The main database has not recorded the discard yet, and reads still show its effect.',
          ),
        ),
    ),
    history: z.array(z.object({ at: z.string(), state })),
    unseen: z.optional(
      z.literal('replica').check(z.describe('No replica answered: the status comes from the buffer alone.')),
    ),
  })
  .check(z.meta({ id: 'TransactionStatus' }));

export type TransactionStatus = Of<typeof transactionStatus>;

export const readTransaction = operation({
  method: 'GET',
  path: '/api/transactions/{id}',
  function: 'query',
  access: 'read:observations',
  etag: true,
  summary: 'The status of an accepted transaction',
  params: { id: uuid },
  query: z.strictObject(waitQuery),
  answers: { 200: transactionStatus },
  problems: ['not-found', 'too-many-waits'],
  belongsTo: { object: 'transaction', ofOthers: 200 },
  example: { params: { id: noSuchUuid }, gets: 404 },
});

export const listTransactions = operation({
  method: 'GET',
  path: '/api/transactions',
  function: 'query',
  access: 'read:observations',
  pages: true,
  summary: 'Accepted transactions that are not applied: buffered, waiting or failed',
  query: z.strictObject({
    state: z.enum(listedStates),
    limit: z._default(wholeNumberText(1, 1000), 100),
    cursor: z.optional(z.string()),
  }),
  answers: { 200: z.array(transactionStatus) },
  problems: ['invalid-cursor'],
  belongsTo: { object: 'transaction', ofOthers: 200 },
  example: { query: { state: 'failed' } },
});

const decisions = [
  ...submissionProblems,
  'not-found',
  'conflict',
  'not-decidable',
  'body-too-large',
] as const;

export const retryTransaction = operation({
  method: 'POST',
  path: '/api/transactions/{id}/retry',
  function: 'decide',
  access: 'manage:transactions',
  records: true,
  summary: 'Retries a transaction that main has set aside',
  params: { id: uuid },
  answers: { 202: transactionStatus },
  problems: decisions,
  belongsTo: { object: 'transaction', ofOthers: 403 },
  example: { params: { id: noSuchUuid }, gets: 404 },
});

export const discardTransaction = operation({
  method: 'POST',
  path: '/api/transactions/{id}/discard',
  function: 'decide',
  access: 'manage:transactions',
  records: true,
  summary: 'Discards a transaction that main has not applied, with a reason',
  params: { id: uuid },
  body: z.strictObject({ reason: z.string().check(z.minLength(1), z.maxLength(1000)) }),
  answers: { 202: transactionStatus },
  problems: decisions,
  belongsTo: { object: 'transaction', ofOthers: 403 },
  example: { params: { id: noSuchUuid }, body: { reason: 'recorded twice' }, gets: 404 },
});
