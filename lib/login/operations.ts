/** Login over HTTP: redirect to GitHub, return with GitHub's code, redirect to the page with our code, exchange it for a session. */
import * as z from 'zod/mini';
import { noBody, operation } from '../http/operation.ts';
import { openSession } from '../sessions/operations.ts';
import { submissionProblems } from '../submission/problem-codes.ts';

const secretLength = 43;
/** A random value of 256 bits, or a SHA-256. */
export const base64url = z.string().check(z.regex(new RegExp(`^[A-Za-z0-9_-]{${secretLength}}$`)));

export const startLogin = operation({
  method: 'GET',
  path: '/github/login',
  function: 'authenticate',
  access: 'public',
  rate: 'address',
  summary: 'Logs in with GitHub and returns to `return_to` with a code',
  query: z.strictObject({
    return_to: z.string().check(z.maxLength(2000)),
    code_challenge: base64url.check(
      z.describe('S256 of a verifier that the page keeps and needs to exchange the code.'),
    ),
    code_challenge_method: z.optional(z.literal('S256')),
    state: z.optional(
      z.string().check(z.maxLength(500), z.describe('Returned to the page unchanged (RFC 6749 §4.1.2).')),
    ),
    login: z.optional(z.string().check(z.maxLength(100), z.describe('Suggests an account.'))),
  }),
  answers: { 302: noBody },
  example: { query: { return_to: 'http://localhost:3000/', code_challenge: 'a'.repeat(secretLength) } },
});

export const finishLogin = operation({
  method: 'GET',
  path: '/github/callback',
  function: 'authenticate',
  access: 'public',
  rate: 'address',
  summary: 'The URL to which GitHub returns the browser',
  query: z.object({
    state: base64url,
    code: z.optional(z.string().check(z.minLength(1), z.maxLength(500))),
    error: z.optional(z.string()),
  }),
  answers: { 302: noBody },
  example: { query: { state: 'a'.repeat(secretLength), code: 'b' }, gets: 400 },
});

export const exchangeCode = operation({
  method: 'POST',
  path: '/auth/exchange',
  function: 'authenticate',
  access: 'public',
  rate: 'address',
  summary: 'Exchanges the code of a login for an access token, and a refresh token in a cookie',
  body: z.strictObject({
    code: base64url,
    code_verifier: z.string().check(z.regex(/^[\w.~-]{43,128}$/)),
  }),
  answers: { 200: openSession },
  problems: [...submissionProblems, 'not-authenticated', 'not-permitted'],
  example: { body: { code: 'a'.repeat(secretLength), code_verifier: 'b'.repeat(43) }, gets: 401 },
});
