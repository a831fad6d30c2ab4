/** Credentials over HTTP: public keys, the current user, and tickets. */
import * as z from 'zod/mini';
import { operation } from '../http/operation.ts';
import { permissions, roles } from '../people/permissions.ts';

export const readJwks = operation({
  method: 'GET',
  path: '/.well-known/jwks.json',
  function: 'authenticate',
  access: 'public',
  summary: 'The public keys that verify access tokens',
  answers: {
    200: z.object({
      keys: z.array(
        z.object({
          kty: z.optional(z.string()),
          crv: z.optional(z.string()),
          x: z.optional(z.string()),
          kid: z.optional(z.string()),
          alg: z.optional(z.string()),
          use: z.optional(z.string()),
        }),
      ),
    }),
  },
  example: {},
});

export const readMe = operation({
  method: 'GET',
  path: '/auth/me',
  function: 'authenticate',
  access: 'any',
  summary: 'The user of the credential, with their permissions',
  answers: {
    200: z.object({
      id: z.string(),
      name: z.string(),
      role: z.enum(roles),
      permissions: z.array(z.enum(permissions)),
      credential: z.enum(['session', 'api-token']),
      expires_at: z.optional(z.string()),
      session: z.optional(
        z.object({
          ends_at: z.string(),
          extended: z.boolean().check(z.describe('Only an outage keeps it open.')),
        }),
      ),
    }),
  },
  example: {},
});

export const createTicket = operation({
  method: 'POST',
  path: '/api/ws/ticket',
  function: 'authenticate',
  access: 'any',
  summary: 'A single-use ticket for the WebSocket',
  answers: {
    201: z.object({ ticket: z.string(), expires_in: z.number().check(z.describe('Seconds.')) }),
  },
  example: {},
});
