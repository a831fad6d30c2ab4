/** API tokens over HTTP. */
import * as z from 'zod/mini';
import { noSuchUuid, operation } from '../http/operation.ts';
import { permissions } from '../people/permissions.ts';
import { submissionProblems } from '../submission/problem-codes.ts';
import { userId } from '../users/operations.ts';
import { wholeNumber } from '../values/integer.ts';
import { uuid } from '../values/uuid.ts';

const token = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    created_at: z.string(),
    expires_at: z.nullable(z.string()),
    revoked: z.boolean(),
    uses: z.number(),
    last_used_at: z.nullable(z.string()),
  })
  .check(z.meta({ id: 'ApiToken' }));

const madeToken = z.object({
  ...token.shape,
  token: z.string().check(z.describe('The secret. It is shown only once.')),
});

export const tokenRequest = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(100)),
  scopes: z._default(
    z
      .array(z.string().check(z.maxLength(100)))
      .check(
        z.minLength(1),
        z.maxLength(50),
        z.describe(
          'Permissions, with `*` for any action or resource. Default: all permissions of the owner.',
        ),
      ),
    ['*'],
  ),
  expires_in_days: z.optional(wholeNumber(1, 3650).check(z.describe('Default: the token does not expire.'))),
});

export type TokenRequest = z.infer<typeof tokenRequest>;

export const listScopes = operation({
  method: 'GET',
  path: '/api/tokens/scopes',
  function: 'authenticate',
  access: 'any',
  summary: 'The permissions that an API token of this user can have',
  answers: { 200: z.array(z.enum(permissions)) },
  example: {},
});

export const createToken = operation({
  method: 'POST',
  path: '/api/tokens',
  function: 'authenticate',
  access: 'manage:tokens',
  summary: 'Creates an API token, whose secret is shown only once',
  body: tokenRequest,
  answers: { 201: madeToken },
  problems: [...submissionProblems, 'too-many-tokens'],
  example: { body: { name: 'laptop', scopes: ['*'] } },
});

export const listTokens = operation({
  method: 'GET',
  path: '/api/tokens',
  function: 'authenticate',
  access: 'manage:tokens',
  summary: 'The user’s API tokens, without secrets',
  query: z.strictObject({
    owner: z.optional(
      userId.check(z.describe('A user id; requires `manage:users`. Default: the user of the request.')),
    ),
  }),
  answers: { 200: z.array(token) },
  belongsTo: { object: 'user', ofOthers: 403 },
  example: {},
});

export const rotateToken = operation({
  method: 'POST',
  path: '/api/tokens/{id}/rotate',
  function: 'authenticate',
  access: 'manage:tokens',
  summary: 'Replaces an API token by a new one, and revokes it',
  params: { id: uuid },
  answers: {
    201: z.object({ ...madeToken.shape, replaces: z.object({ id: z.string(), has_ended: z.boolean() }) }),
  },
  problems: [...submissionProblems, 'not-found', 'token-replaced', 'too-many-tokens'],
  belongsTo: { object: 'token', ofOthers: 404 },
  example: { params: { id: noSuchUuid }, gets: 404 },
});

export const revokeToken = operation({
  method: 'DELETE',
  path: '/api/tokens/{id}',
  function: 'authenticate',
  access: 'manage:tokens',
  summary: 'Revokes an API token',
  params: { id: uuid },
  answers: { 200: token },
  problems: [...submissionProblems, 'not-found'],
  belongsTo: { object: 'token', ofOthers: 404 },
  example: { params: { id: noSuchUuid }, gets: 404 },
});
