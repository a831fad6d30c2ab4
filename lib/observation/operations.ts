/** Executed units over HTTP. */
import * as z from 'zod/mini';
import { noSuchUuid, operation, type Of } from '../http/operation.ts';
import { included } from '../table/tables.ts';
import { wholeNumberText } from '../values/integer.ts';
import { waitQuery } from './wait-query.ts';
import { executedObsUnit, finishBody, recordId, startBody, unitReference } from './executed-obs-unit.ts';
import { maxPageSize, listQuery } from './filter.ts';

export type { Included } from '../table/tables.ts';

const include = z.optional(
  z.pipe(
    z.pipe(
      z.string().check(z.describe(`Of \`${included.join('`, `')}\`; several are separated by a comma.`)),
      z.transform((text) => text.split(',')),
    ),
    z.array(z.enum(included)),
  ),
);

// not `z.extend`, which would keep the id of the schema
const written = z.object({
  ...executedObsUnit.shape,
  transaction_id: z.string().check(z.describe('See `GET /api/transactions/{id}` for its status.')),
});

export type WrittenUnit = Of<typeof written>;

const refusals = ['conflict', 'idempotency-key-reused', 'refused-before', 'discarded-before'] as const;
const fallbacks = ['not-acknowledged'] as const;

export const startExecutedObsUnit = operation({
  method: 'POST',
  path: '/executed_obs_units/start',
  function: 'accept',
  access: 'write:observations',
  identity: 'claimant',
  records: true,
  summary: 'Records the start of an observation',
  body: startBody,
  answers: { 201: written },
  problems: [...refusals, ...fallbacks, 'id-taken'],
  belongsTo: { object: 'executed_obs_unit', ofOthers: 409 },
  example: { body: { obs_unit_id: 1 } },
});

export const finishExecutedObsUnit = operation({
  method: 'PUT',
  path: '/executed_obs_units/{id}/finish',
  function: 'accept',
  access: 'write:observations',
  identity: 'claimant',
  records: true,
  summary: 'Records the end of an observation',
  description:
    '`202`: the site does not know the observation, because its start was accepted elsewhere or is not replicated yet. The main database judges the finish when it arrives.',
  params: { id: recordId },
  body: z.pipe(
    z.transform((sent) => sent ?? {}),
    finishBody,
  ),
  answers: { 200: written, 202: written },
  problems: [...refusals, ...fallbacks, 'already-finished'],
  belongsTo: { object: 'executed_obs_unit', ofOthers: 200 },
  example: { params: { id: noSuchUuid }, body: {}, gets: 202 },
});

export const readExecutedObsUnit = operation({
  method: 'GET',
  path: '/executed_obs_units/{id}',
  function: 'query',
  access: 'read:observations',
  etag: true,
  pages: true,
  summary: 'One executed unit by UUID, or the executed units of a planned unit by integer',
  description:
    'By UUID, `wait` and `timeout` wait for a state. By integer, `limit` and `cursor` select a page.',
  params: { id: unitReference },
  query: z.strictObject({
    ...waitQuery,
    include,
    limit: z.optional(wholeNumberText(1, maxPageSize)),
    cursor: z.optional(z.string()),
  }),
  answers: { 200: z.union([executedObsUnit, z.array(executedObsUnit)]) },
  problems: ['not-found', 'invalid-cursor', 'too-many-waits'],
  belongsTo: { object: 'executed_obs_unit', ofOthers: 200 },
  example: { params: { id: '1' } },
});

export const listExecutedObsUnits = operation({
  method: 'GET',
  path: '/executed_obs_units',
  function: 'query',
  access: 'read:observations',
  etag: true,
  pages: true,
  summary:
    'Executed units by planned unit, program, source, instrument, status and time, newest first, in pages',
  query: z.extend(listQuery, { include }),
  answers: { 200: z.array(executedObsUnit) },
  problems: ['invalid-cursor'],
  belongsTo: { object: 'executed_obs_unit', ofOthers: 200 },
  example: {},
});
