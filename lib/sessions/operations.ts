/** Sessions over HTTP. */
import * as z from 'zod/mini';
import { operation } from '../http/operation.ts';
import { permissions, roles } from '../people/permissions.ts';
import { submissionProblems } from '../submission/problem-codes.ts';

/** The answer to a login or refresh. The refresh token is in a cookie. */
export const openSession = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.number().check(z.describe('Seconds.')),
    user: z.object({ id: z.string(), login: z.string(), name: z.string(), role: z.enum(roles) }),
    permissions: z.array(z.enum(permissions)),
    session: z.object({ ends_at: z.string(), extended: z.boolean() }),
  })
  .check(z.meta({ id: 'OpenSession' }));

export const refreshSession = operation({
  method: 'POST',
  path: '/auth/refresh',
  function: 'authenticate',
  access: 'public',
  rate: 'session',
  summary: 'Exchanges the refresh token in the cookie for a new access token and refresh token',
  answers: { 200: openSession },
  problems: [...submissionProblems, 'not-authenticated', 'not-permitted'],
  example: { gets: 401 },
});

export const logOut = operation({
  method: 'POST',
  path: '/auth/logout',
  function: 'authenticate',
  access: 'public',
  rate: 'session',
  summary: 'Ends the session of the cookie, including its access tokens and sockets',
  answers: { 200: z.object({ logged_out: z.literal(true) }) },
  problems: [...submissionProblems, 'not-permitted'],
  example: {},
});
