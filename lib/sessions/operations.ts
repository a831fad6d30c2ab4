/** Sessions of people over HTTP. */
import * as z from 'zod/mini';
import { operation } from '../http/operation.ts';
import { permissions, roles } from '../people/permissions.ts';
import { submissionProblems } from '../submission/problem-codes.ts';

/** What a page gets that has logged somebody in, or keeps them logged in. The refresh token is in a cookie. */
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
  summary: 'A new access token for the refresh token in the cookie, which changes',
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
  summary: 'Ends the session of the cookie, with its access tokens and sockets',
  answers: { 200: z.object({ logged_out: z.literal(true) }) },
  problems: [...submissionProblems, 'not-permitted'],
  example: {},
});
