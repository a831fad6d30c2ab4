/** Logs in like a browser and its page: follows the redirects, keeps the cookie, and sends the verifier in no URL. */
import { expect } from 'vitest';
import { challengeOf } from '../../lib/login/pending-login.ts';
import type { Reply, TestStack } from './test-stack.ts';

export const page = 'http://localhost:3000/after-login';
export const origin = 'http://localhost:3000';
const verifier = 'v'.repeat(43);

/** @returns where the browser lands */
export async function visitGitHub(stack: TestStack, login: string, challenge = challengeOf(verifier)) {
  const query = new URLSearchParams({ return_to: page, code_challenge: challenge, login });
  const away = await stack.api(`/github/login?${query.toString()}`, { token: null });
  expect(away.status).toBe(302);
  const browser = cookieOf(away);
  const github = await fetch(String(away.headers.get('location')), { redirect: 'manual' });
  const back = new URL(String(github.headers.get('location')));
  return { back, browser, ...(await comeBack(stack, back, browser)) };
}

/** @param browser the cookie set at the beginning of the login */
export async function comeBack(stack: TestStack, back: URL, browser: string) {
  const reply = await stack.api(back.pathname + back.search, { token: null, headers: { Cookie: browser } });
  const location = reply.headers.get('location');
  return { reply, landed: location === null ? undefined : new URL(location) };
}

export function redeem(
  stack: TestStack,
  code: string,
  codeVerifier = verifier,
  from = origin,
): Promise<Reply> {
  return stack.api('/auth/exchange', {
    method: 'POST',
    token: null,
    headers: { Origin: from },
    body: { code, code_verifier: codeVerifier },
  });
}

export interface LoggedIn {
  readonly accessToken: string;
  readonly cookie: string;
  readonly body: Reply['body'];
}

export function loggedIn(reply: Reply): LoggedIn {
  expect(reply.status).toBe(200);
  return { accessToken: String(reply.body.access_token), cookie: cookieOf(reply), body: reply.body };
}

export async function logIn(stack: TestStack, login: string): Promise<LoggedIn> {
  const { landed } = await visitGitHub(stack, login);
  return loggedIn(await redeem(stack, String(landed?.searchParams.get('code'))));
}

export function withCookie(
  stack: TestStack,
  path: '/auth/refresh' | '/auth/logout',
  cookie: string,
  from = origin,
) {
  return stack.api(path, { method: 'POST', token: null, headers: { Cookie: cookie, Origin: from } });
}

export function cookieOf(reply: Reply): string {
  return String(reply.headers.getSetCookie()[0]).split(';')[0] ?? '';
}

/** Adds a GitHub account that is a member of the organisation. */
export function addMember(
  stack: TestStack,
  login: string,
  id: number,
  teams: readonly string[] = ['observers'],
) {
  stack.parts.github.accounts.set(login, { id, name: login, teams, membership: 'active' });
}
