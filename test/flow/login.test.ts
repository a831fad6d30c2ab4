/** Logins and sessions, also while main or GitHub is unreachable. */
import type { ServerResponse } from 'node:http';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { rolePermissions } from '../../lib/people/permissions.ts';
import { settleByHand } from '../support/by-hand.ts';
import { eventually } from '../support/eventually.ts';
import {
  addMember,
  comeBack,
  cookieOf,
  loggedIn,
  logIn,
  page,
  redeem,
  visitGitHub,
  withCookie,
} from '../support/log-in.ts';
import { connectPlainSocket } from '../support/test-socket.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  await stack.quiesce();
});
afterEach(async () => {
  delete stack.parts.github.intercept;
  await stack.redisClient.del(stack.keys.mainDown);
  stack.link.set({ up: true });
});
afterAll(() => stack.stop());

const me = (token: string) => stack.api('/auth/me', { token });
const session = (sid: unknown) => stack.keys.session(String(sid));
async function sidOf(token: string): Promise<string> {
  const { body } = await stack.api('/.well-known/jwks.json', { token: null });
  const keys = createLocalJWKSet(body as unknown as JSONWebKeySet);
  return String((await jwtVerify(token, keys)).payload.sid);
}
const audit = async () =>
  (await stack.api('/api/audit', { token: stack.description.tokens.admin }))
    .body as unknown as readonly Record<string, unknown>[];

describe('a login', () => {
  it('gives the page an access token, keeps the refresh token in an HttpOnly cookie, and puts neither in a URL', async () => {
    const { back, landed } = await visitGitHub(stack, 'olu-observer');
    expect(landed?.href.startsWith(page)).toBe(true);
    expect([...(landed?.searchParams.keys() ?? [])]).toEqual(['code']);
    const reply = await redeem(stack, String(landed?.searchParams.get('code')));
    expect(reply.body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 1800,
      user: { id: '1002', login: 'olu-observer', name: 'Demo observer', role: 'observer' },
      permissions: rolePermissions.observer,
      session: { extended: false },
    });
    const [cookie = ''] = reply.headers.getSetCookie();
    expect(cookie).toMatch(
      /^__Host-ops_refresh=[\w-]{22}\.[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; Secure; SameSite=Strict$/,
    );
    const { accessToken } = loggedIn(reply);
    expect((await me(accessToken)).body).toMatchObject({
      id: '1002',
      role: 'observer',
      credential: 'session',
    });
    for (const url of [back.href, String(landed?.href)]) {
      expect(url).not.toContain(accessToken);
      expect(url).not.toContain(cookie.split(/[=;]/)[1]);
    }
  });

  it.each([
    ['ada-admin', 'admin'],
    ['olu-observer', 'observer'],
    ['vera-viewer', 'viewer'],
  ])('gives %s the role %s of its team', async (login, role) => {
    expect((await logIn(stack, login)).body).toMatchObject({ user: { login, role } });
  });

  it('finds a team on any page of the teams', async () => {
    const teams = [...Array.from({ length: 150 }, (_, n) => `team-${n}`), 'admins'];
    addMember(stack, 'many', 2001, teams);
    expect((await logIn(stack, 'many')).body).toMatchObject({ user: { role: 'admin' } });
  });

  it.each(['pending', 'none'] as const)('is refused when the membership is %s', async (membership) => {
    stack.parts.github.accounts.set('stranger', { id: 2002, name: 'S', teams: ['admins'], membership });
    const { landed } = await visitGitHub(stack, 'stranger');
    expect([...(landed?.searchParams.entries() ?? [])]).toEqual([['error', 'access_denied']]);
  });

  it('redirects to allow-listed pages only', async () => {
    const challenge = 'a'.repeat(43);
    for (const to of [
      'https://evil.example/',
      'http://localhost:3000.evil.example/',
      'http://localhost:3000@evil.example/',
      'http://user@localhost:3000/',
      '//evil.example',
      'javascript:alert(1)',
      'http://localhost:3000/#x',
    ]) {
      const query = new URLSearchParams({ return_to: to, code_challenge: challenge });
      const reply = await stack.api(`/github/login?${query.toString()}`, { token: null });
      expect(reply.status, to).toBe(400);
      expect(reply.headers.get('location')).toBeNull();
    }
  });

  it('redirects to a page on any port of this machine', async () => {
    for (const to of ['http://localhost:5173/', 'http://127.0.0.1:61234/x?y=z', 'http://localhost/']) {
      const query = new URLSearchParams({ return_to: to, code_challenge: 'a'.repeat(43) });
      expect((await stack.api(`/github/login?${query.toString()}`, { token: null })).status, to).toBe(302);
    }
  });

  it('returns the state of the page, without the error of an earlier login', async () => {
    const query = new URLSearchParams({
      return_to: `${page}?error=access_denied&error_description=x&code=old&tab=2`,
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
      state: 'page state',
      login: 'vera-viewer',
    });
    const away = await stack.api(`/github/login?${query.toString()}`, { token: null });
    const github = await fetch(String(away.headers.get('location')), { redirect: 'manual' });
    const { landed } = await comeBack(stack, new URL(String(github.headers.get('location'))), cookieOf(away));
    expect([...(landed?.searchParams.keys() ?? [])].sort()).toEqual(['code', 'state', 'tab']);
    expect(landed?.searchParams.get('state')).toBe('page state');
    expect(landed?.searchParams.get('code')).toMatch(/^[\w-]{43}$/);
    query.set('code_challenge_method', 'plain');
    expect((await stack.api(`/github/login?${query.toString()}`, { token: null })).status).toBe(400);
  });

  it('accepts each state and each code once, and a code only with its verifier', async () => {
    const { back, browser, landed } = await visitGitHub(stack, 'vera-viewer');
    expect((await comeBack(stack, back, browser)).reply.status).toBe(400);
    const code = String(landed?.searchParams.get('code'));
    expect((await redeem(stack, code)).status).toBe(200);
    expect((await redeem(stack, code)).status).toBe(401);

    const other = String((await visitGitHub(stack, 'vera-viewer')).landed?.searchParams.get('code'));
    expect((await redeem(stack, other, 'w'.repeat(43))).status).toBe(401);
    // a wrong verifier has used the code up
    expect((await redeem(stack, other)).status).toBe(401);
  });

  it('refuses a code that GitHub issued for another login', async () => {
    const { back } = await visitGitHub(stack, 'vera-viewer');
    const mine = await stack.api(
      `/github/login?return_to=${encodeURIComponent(page)}&code_challenge=${'a'.repeat(43)}`,
      { token: null },
    );
    const state = new URL(String(mine.headers.get('location'))).searchParams.get('state');
    back.searchParams.set('state', String(state));
    const { landed } = await comeBack(stack, back, cookieOf(mine));
    expect(landed?.searchParams.get('error')).toMatch(/access_denied|temporarily_unavailable/);
  });

  it('fails without changing the role when the teams cannot be read', async () => {
    addMember(stack, 'ted', 2005, ['admins']);
    await logIn(stack, 'ted');
    const unreadable: Record<string, (response: ServerResponse) => void> = {
      'rate-limited': (response) => response.writeHead(403, { 'x-ratelimit-remaining': '0' }).end('{}'),
      'not permitted': (response) => response.writeHead(403).end('{}'),
      'not found': (response) => response.writeHead(404).end('{}'),
    };
    for (const [why, answer] of Object.entries(unreadable)) {
      stack.parts.github.intercept = (request, response) => {
        if (!request.url?.startsWith('/user/teams')) return false;
        answer(response);
        return true;
      };
      const { landed } = await visitGitHub(stack, 'ted');
      expect(landed?.searchParams.get('error'), why).toBe('temporarily_unavailable');
    }
    stack.parts.github.intercept = (request, response) => {
      if (request.url !== '/user') return false;
      response.writeHead(403, { 'retry-after': '60' }).end('{}');
      return true;
    };
    const { landed } = await visitGitHub(stack, 'ted');
    expect(landed?.searchParams.get('error')).toBe('temporarily_unavailable');
    delete stack.parts.github.intercept;
    const users = await stack.api('/api/users', { token: stack.description.tokens.admin });
    expect(users.body).toContainEqual(expect.objectContaining({ login: 'ted', role: 'admin' }));
  });

  it('is redeemed by allowed origins only, and not for a user deactivated meanwhile', async () => {
    addMember(stack, 'meanwhile', 2006);
    const code = async () => String((await visitGitHub(stack, 'meanwhile')).landed?.searchParams.get('code'));
    expect((await redeem(stack, await code(), undefined, 'https://evil.example')).status).toBe(403);
    const late = await code();
    const { tokens } = stack.description;
    const deactivate = { method: 'PUT', token: tokens.admin, body: { active: false } };
    expect((await stack.api('/api/users/2006', deactivate)).status).toBe(200);
    expect((await redeem(stack, late)).status).toBe(401);
  });

  it('reports that the user declined at GitHub', async () => {
    const away = await stack.api(
      `/github/login?return_to=${encodeURIComponent(page)}&code_challenge=${'a'.repeat(43)}`,
      { token: null },
    );
    const state = new URL(String(away.headers.get('location'))).searchParams.get('state');
    const reply = await stack.api(`/github/callback?state=${String(state)}&error=access_denied`, {
      token: null,
      headers: { Cookie: cookieOf(away) },
    });
    expect(reply.headers.get('location')).toBe(`${page}?error=access_denied`);
  });

  it('completes only in the browser that began it', async () => {
    const begin = (cookie?: string) =>
      stack.api(`/github/login?return_to=${encodeURIComponent(page)}&code_challenge=${'a'.repeat(43)}`, {
        token: null,
        headers: cookie === undefined ? {} : { Cookie: cookie },
      });
    const [mine, other] = [await begin(), await begin()];
    expect(mine.headers.getSetCookie()[0]).toMatch(
      /^__Host-ops_login=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$/,
    );
    const github = await fetch(String(mine.headers.get('location')), { redirect: 'manual' });
    const back = new URL(String(github.headers.get('location')));
    for (const browser of ['', cookieOf(other)]) {
      expect((await comeBack(stack, back, browser)).reply.status).toBe(400);
    }
    expect((await comeBack(stack, back, cookieOf(mine))).landed?.searchParams.has('code')).toBe(true);
    // another tab of the same browser shares its cookie
    expect(cookieOf(await begin(cookieOf(mine)))).toBe(cookieOf(mine));
  });
});

describe('a session', () => {
  it('continues with a new refresh token each time', async () => {
    const first = await logIn(stack, 'olu-observer');
    const second = loggedIn(await withCookie(stack, '/auth/refresh', first.cookie));
    expect(second.cookie).not.toBe(first.cookie);
    const third = loggedIn(await withCookie(stack, '/auth/refresh', second.cookie));
    for (const { accessToken } of [first, second, third]) expect((await me(accessToken)).status).toBe(200);
  });

  it('continues when a refresh is repeated at once after a lost answer', async () => {
    const { cookie } = await logIn(stack, 'olu-observer');
    loggedIn(await withCookie(stack, '/auth/refresh', cookie));
    const again = loggedIn(await withCookie(stack, '/auth/refresh', cookie));
    loggedIn(await withCookie(stack, '/auth/refresh', again.cookie));
  });

  it('ends everywhere, audited, when a replaced refresh token is reused', async () => {
    const first = await logIn(stack, 'olu-observer');
    const sid = await sidOf(first.accessToken);
    const second = loggedIn(await withCookie(stack, '/auth/refresh', first.cookie));
    await stack.redisClient.hset(session(sid), { rotated_ms: '0' });
    expect((await withCookie(stack, '/auth/refresh', first.cookie)).status).toBe(401);
    expect((await withCookie(stack, '/auth/refresh', second.cookie)).status).toBe(401);
    for (const { accessToken } of [first, second]) expect((await me(accessToken)).status).toBe(401);
    expect(await audit()).toContainEqual(
      expect.objectContaining({ action: 'session.reused', subject: sid, principal: '1002' }),
    );
  });

  it('ends at logout with its refresh token, access tokens and, within 5 s, sockets', async () => {
    const { accessToken, cookie } = await logIn(stack, 'vera-viewer');
    const { body } = await stack.api('/api/ws/ticket', { method: 'POST', token: accessToken });
    const socket = await connectPlainSocket(stack.description.websocket, String(body.ticket));
    socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(socket.messages.join()).toContain('"type":"snapshot"'));
    const out = await withCookie(stack, '/auth/logout', cookie);
    expect(out.headers.getSetCookie()[0]).toContain('Max-Age=0');
    expect((await me(accessToken)).status).toBe(401);
    expect((await startUnitAs(accessToken)).status).toBe(403);
    expect((await withCookie(stack, '/auth/refresh', cookie)).status).toBe(401);
    await eventually(() => expect(socket.isOpen()).toBe(false), { timeoutMs: 5000 });
  });

  it('is not ended by a request that knows only its id', async () => {
    const { accessToken, cookie } = await logIn(stack, 'vera-viewer');
    const sid = await sidOf(accessToken);
    const forged = `${cookie.split('=')[0] ?? ''}=${sid}.${'y'.repeat(43)}`;
    expect((await withCookie(stack, '/auth/refresh', forged)).status).toBe(401);
    expect((await withCookie(stack, '/auth/logout', forged)).status).toBe(200);
    expect((await me(accessToken)).status).toBe(200);
    expect((await withCookie(stack, '/auth/refresh', cookie)).status).toBe(200);
    expect((await audit()).filter(({ subject }) => subject === sid).map(({ action }) => action)).toEqual([
      'session.opened',
    ]);
  });

  it('continues in two tabs that refresh it concurrently', async () => {
    const { cookie } = await logIn(stack, 'olu-observer');
    const [one, two] = (
      await Promise.all([
        withCookie(stack, '/auth/refresh', cookie),
        withCookie(stack, '/auth/refresh', cookie),
      ])
    ).map(loggedIn);
    expect(one?.cookie).toBe(two?.cookie);
    expect(one?.cookie).not.toBe(cookie);
    loggedIn(await withCookie(stack, '/auth/refresh', String(one?.cookie)));
  });

  it('is neither refreshed nor ended by other origins', async () => {
    const { cookie } = await logIn(stack, 'vera-viewer');
    expect((await withCookie(stack, '/auth/refresh', cookie, 'https://evil.example')).status).toBe(403);
    expect((await withCookie(stack, '/auth/logout', cookie, 'https://evil.example')).status).toBe(403);
    expect((await withCookie(stack, '/auth/refresh', cookie)).status).toBe(200);
  });

  it('expires while main and GitHub are reachable', async () => {
    const { accessToken, cookie } = await logIn(stack, 'olu-observer');
    await stack.redisClient.hset(session(await sidOf(accessToken)), { ends_at: nowSeconds() - 10 });
    expect((await withCookie(stack, '/auth/refresh', cookie)).status).toBe(401);
  });
});

const nowSeconds = () => Math.floor(Date.now() / 1000);
const startUnitAs = (token: string) =>
  stack.api('/executed_obs_units/start', { method: 'POST', token, body: { obs_unit_id: 1 } });

const cut = {
  main: () => stack.redisClient.set(stack.keys.mainDown, '1'),
  GitHub: async () => {
    stack.parts.github.intercept = (request) => {
      request.socket.destroy();
      return true;
    };
  },
};

describe('while main or GitHub is unreachable,', () => {
  it.each(['main', 'GitHub'] as const)(
    '(%s) a session is extended, marked as extended and audited once',
    async (what) => {
      const { accessToken, cookie } = await logIn(stack, 'olu-observer');
      const sid = await sidOf(accessToken);
      await stack.redisClient.hset(session(sid), { ends_at: nowSeconds() - 3600 });
      await cut[what]();
      const longer = loggedIn(await withCookie(stack, '/auth/refresh', cookie));
      expect(longer.body).toMatchObject({ session: { extended: true }, expires_in: 1800 });
      expect((await me(longer.accessToken)).body).toMatchObject({ session: { extended: true } });
      loggedIn(await withCookie(stack, '/auth/refresh', longer.cookie));
      const about = (await audit()).filter(({ subject }) => subject === sid);
      expect(about.map(({ action }) => action)).toEqual(['session.extended', 'session.opened']);
    },
  );

  it('an extended session ends after the outage period, or with the outage', async () => {
    const { accessToken, cookie } = await logIn(stack, 'olu-observer');
    const sid = await sidOf(accessToken);
    await cut.main();
    await stack.redisClient.hset(session(sid), { ends_at: nowSeconds() - 24 * 3600 - 10 });
    expect((await withCookie(stack, '/auth/refresh', cookie)).status).toBe(401);
    await stack.redisClient.hset(session(sid), { ends_at: nowSeconds() - 10 });
    const longer = loggedIn(await withCookie(stack, '/auth/refresh', cookie));
    await stack.redisClient.del(stack.keys.mainDown);
    expect((await withCookie(stack, '/auth/refresh', longer.cookie)).status).toBe(401);
  });

  it('a login reports that GitHub does not answer', async () => {
    await cut.GitHub();
    const { landed } = await visitGitHub(stack, 'olu-observer');
    expect(landed?.searchParams.get('error')).toBe('temporarily_unavailable');
  });

  it('scripts write, logged-in users read and watch, and an admin revokes a token', async () => {
    const admin = await logIn(stack, 'ada-admin');
    const viewer = await logIn(stack, 'vera-viewer');
    const made = await stack.api('/api/tokens', {
      method: 'POST',
      token: admin.accessToken,
      body: { name: 'outage', scopes: ['write:observations', 'read:observations'] },
    });
    const token = String(made.body.token);
    await settleByHand(stack);
    stack.link.set({ up: false });
    await cut.main();
    await cut.GitHub();

    const unit = await stack.api('/executed_obs_units/start', {
      method: 'POST',
      token,
      body: { obs_unit_id: 3 },
    });
    expect(unit.status).toBe(201);
    const again = loggedIn(await withCookie(stack, '/auth/refresh', viewer.cookie));
    const read = await stack.api(`/executed_obs_units/${String(unit.body.id)}`, { token: again.accessToken });
    expect(read.body).toMatchObject({ status: 'running', sync: { state: 'buffered' } });
    const { body } = await stack.api('/api/ws/ticket', { method: 'POST', token: again.accessToken });
    const socket = await connectPlainSocket(stack.description.websocket, String(body.ticket));
    socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(socket.messages.join()).toContain(String(unit.body.id)));
    socket.close();
    const ended = await stack.api(`/api/tokens/${String(made.body.id)}`, {
      method: 'DELETE',
      token: admin.accessToken,
    });
    expect(ended.status).toBe(200);
    const refused = await stack.api('/executed_obs_units/start', {
      method: 'POST',
      token,
      body: { obs_unit_id: 4 },
    });
    expect(refused.status).toBe(401);
    expect(await audit()).toContainEqual(
      expect.objectContaining({ action: 'token.revoked', subject: made.body.id, principal: '1001' }),
    );
  });
});
