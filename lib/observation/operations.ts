/** Executed units over HTTP. */
import * as z from 'zod/mini';
import { noSuchUuid, operation, type Of } from '../http/operation.ts';
import { wholeNumberText } from '../values/integer.ts';
import { waitQuery } from './wait-query.ts';
import { executedObsUnit, finishBody, recordId, startBody, unitReference } from './executed-obs-unit.ts';
import { largestPage, listQuery } from './filter.ts';

export const included = ['packages', 'files'] as const;
/** Related records that come with an executed unit. */
export type Included = (typeof included)[number];

const include = z.optional(
  z.pipe(
    z.pipe(
      z.string().check(z.describe('`packages`, `files` or both, separated by a comma.')),
      z.transform((text) => text.split(',')),
    ),
    z.array(z.enum(included)),
  ),
);

// not extended: that would take over the name of its schema
const written = z.object({
  ...executedObsUnit.shape,
  transaction_id: z.string().check(z.describe('Ask `GET /api/transactions/{id}` where it is.')),
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
  summary: 'Record that an observation has started',
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
  summary: 'Record that an observation has ended',
  description:
    '`202`: the site does not know the observation, because its start came in elsewhere or is not replicated yet. The main database judges the finish when it arrives.',
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
    'One unit can be waited for: `wait` and `timeout`. The units of a planned unit come in pages: `limit` and `cursor`.',
  params: { id: unitReference },
  query: z.strictObject({
    ...waitQuery,
    include,
    limit: z.optional(wholeNumberText(1, largestPage)),
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
