/** Attacks of the OWASP API Security Top 10 (2023) on the running system. */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { localOrganization } from '../../infra/local/github.ts';
import { cors } from '../../infra/topology.ts';
import { mintApiToken } from '../../lib/credentials/api-token.ts';
import { listed } from '../../lib/api/operations.ts';
import { inTurn } from '../support/in-turn.ts';
import { addMember, logIn, loggedIn, origin, visitGitHub, withCookie } from '../support/log-in.ts';
import { startTestStack, startUnit, type Reply, type TestStack } from '../support/test-stack.ts';

const perSecond = 20;
let stack: TestStack;
let admin: string;
beforeAll(async () => {
  stack = await startTestStack({
    settings: { RATE_LIMIT_PER_SECOND: String(perSecond), LOGINS_PER_SECOND: '30', TICKETS_PER_SECOND: '5' },
  });
  admin = stack.description.tokens.admin;
});
afterEach(async () => {
  delete stack.parts.github.intercept;
  await resetRates();
});
afterAll(() => stack.stop());

/** Resets all rate counters. */
async function resetRates(): Promise<void> {
  const keys = await stack.redisClient.keys('ops:*rate*');
  if (keys.length > 0) await stack.redisClient.del(...keys);
}

/** Sends bursts until one request gets `429`: the number of bursts depends on the machine. */
async function untilRefused(ask: () => Promise<Reply>): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (let burst = 0; burst < 20 && !replies.some(({ status }) => status === 429); burst += 1) {
    replies.push(...(await inTurn(Array.from({ length: 4 * perSecond }, () => ask))));
  }
  return replies;
}

async function tokenOf(login: string, name: string) {
  const { accessToken } = await logIn(stack, login);
  const { body } = await stack.api('/api/tokens', { method: 'POST', token: accessToken, body: { name } });
  return { accessToken, id: String(body.id), token: String(body.token) };
}

describe('API1 broken object level authorisation:', () => {
  it('another user’s token is neither shown, rotated nor revoked', async () => {
    const hers = await tokenOf('olu-observer', 'hers');
    addMember(stack, 'mal', 4001);
    const mal = await logIn(stack, 'mal');
    const list = await stack.api('/api/tokens', { token: mal.accessToken });
    expect(JSON.stringify(list.body)).not.toContain(hers.id);
    const rotated = await stack.api(`/api/tokens/${hers.id}/rotate`, {
      method: 'POST',
      token: mal.accessToken,
    });
    const revoked = await stack.api(`/api/tokens/${hers.id}`, { method: 'DELETE', token: mal.accessToken });
    expect([rotated.status, revoked.status]).toEqual([404, 404]);
    expect((await stack.api('/auth/me', { token: hers.token })).status).toBe(200);
    expect((await stack.api('/api/tokens', { token: mal.accessToken })).body).toEqual(list.body);
  });

  it('a start with the id of another user’s record gets 409', async () => {
    const { body } = await startUnit(stack.api, { obs_unit_id: 1 });
    const { token } = await tokenOf('olu-observer', 'other');
    const again = { method: 'POST', token, body: { obs_unit_id: 2, id: body.id } };
    expect((await stack.api('/executed_obs_units/start', again)).status).toBe(409);
  });

  it('an idempotency key of one principal does not affect another', async () => {
    const first = await startUnit(stack.api, { obs_unit_id: 1 }, 'shared key');
    const { token } = await tokenOf('olu-observer', 'keys');
    const other = await stack.api('/executed_obs_units/start', {
      method: 'POST',
      token,
      key: 'shared key',
      body: { obs_unit_id: 1 },
    });
    expect(other.status).toBe(201);
    expect(other.body.id).not.toBe(first.body.id);
  });
});

describe('API2 broken authentication:', () => {
  it('guessing of login codes is rate-limited', async () => {
    const guess = () =>
      stack.api('/auth/exchange', {
        method: 'POST',
        token: null,
        body: { code: 'g'.repeat(43), code_verifier: 'h'.repeat(43) },
      });
    const statuses = (await untilRefused(guess)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
  });

  it('guessing does not block refreshes of valid sessions, and forged cookies do not raise the limit', async () => {
    const mine = await logIn(stack, 'olu-observer');
    await resetRates();
    const guess = () =>
      stack.api('/auth/exchange', {
        method: 'POST',
        token: null,
        headers: { Cookie: `__Host-ops_refresh=${randomUUID().slice(0, 22)}.${'z'.repeat(43)}` },
        body: { code: 'g'.repeat(43), code_verifier: 'h'.repeat(43) },
      });
    expect((await untilRefused(guess)).some(({ status }) => status === 429)).toBe(true);
    const forged = () =>
      withCookie(stack, '/auth/refresh', `__Host-ops_refresh=${randomUUID().slice(0, 22)}.${'z'.repeat(43)}`);
    expect((await untilRefused(forged)).some(({ status }) => status === 429)).toBe(true);
    expect((await withCookie(stack, '/auth/refresh', mine.cookie)).status).toBe(200);
  });

  it('reuse of an old refresh token gets 401 and ends its session', async () => {
    const first = await logIn(stack, 'olu-observer');
    const second = loggedIn(await withCookie(stack, '/auth/refresh', first.cookie));
    const third = loggedIn(await withCookie(stack, '/auth/refresh', second.cookie));
    expect((await withCookie(stack, '/auth/refresh', first.cookie)).status).toBe(401);
    expect((await stack.api('/auth/me', { token: third.accessToken })).status).toBe(401);
  });
});

describe('API3 broken object property level authorisation:', () => {
  it('fields that only the system sets get 400', async () => {
    for (const extra of [{ status: 'completed' }, { sync: {} }, { principal: '2' }]) {
      expect((await startUnit(stack.api, { obs_unit_id: 1, ...extra })).status).toBe(400);
    }
    for (const extra of [{ role: 'admin' }, { principal: '2' }, { permissions: ['manage:users'] }]) {
      const made = { method: 'POST', token: admin, body: { name: 'n', ...extra } };
      expect((await stack.api('/api/tokens', made)).status).toBe(400);
    }
    const change = { method: 'PUT', token: admin, body: { role: 'viewer', login: 'root' } };
    expect((await stack.api('/api/users/1002', change)).status).toBe(400);
  });

  it('answers contain no secrets', async () => {
    const { token } = await tokenOf('olu-observer', 'shown');
    const own = await stack.api('/api/tokens', { token });
    expect(JSON.stringify(own.body)).toContain('shown');
    expect(JSON.stringify(own.body)).not.toMatch(/hash|ops_\d+_|secret/);
    const { accessToken } = await logIn(stack, 'ada-admin');
    for (const path of ['/api/tokens', '/api/users', '/api/audit', '/auth/me', '/.well-known/jwks.json']) {
      const { body } = await stack.api(path, { token: accessToken });
      expect(JSON.stringify(body), path).not.toMatch(/hash|ops_\d+_|"d":|secret|refresh/);
    }
  });
});

describe('API4 unrestricted resource consumption:', () => {
  it.each([
    ['a read', '/executed_obs_units?limit=1', 'GET'],
    ['a write', '/executed_obs_units/start', 'POST'],
    ['a list of tokens', '/api/tokens', 'GET'],
  ])(
    '%s is rate-limited by credential, with the remaining rate in its headers',
    async (_name, path, method) => {
      const { token } = await tokenOf('olu-observer', `rate ${path}`);
      await resetRates();
      const ask = (credential: string) =>
        stack.api(path, {
          method,
          token: credential,
          ...(method === 'POST' && { body: { obs_unit_id: 1 } }),
        });
      const begun = Date.now();
      const replies = await untilRefused(() => ask(token));
      const refused = replies.filter(({ status }) => status === 429);
      expect(refused.length).toBeGreaterThan(0);
      const windows = (Date.now() - begun) / 1000 + 1;
      expect(replies.length - refused.length).toBeLessThanOrEqual(windows * perSecond);
      for (const { headers } of replies) {
        expect(headers.get('ratelimit-policy')).toBe(`"requests";q=${perSecond};w=1`);
        expect(headers.get('ratelimit')).toMatch(/^"requests";r=\d+;t=1$/);
      }
      for (const { headers, body } of refused) {
        expect(headers.get('retry-after')).toBe('1');
        expect(body).toMatchObject({ title: 'Too many requests' });
      }
      if (method === 'GET') expect((await ask(admin)).status).toBe(200);
    },
  );

  it('repeated and refused writes count against the rate', async () => {
    const { token } = await tokenOf('olu-observer', 'repeats');
    await resetRates();
    const body = { obs_unit_id: 1, id: randomUUID() };
    const again = () => stack.api('/executed_obs_units/start', { method: 'POST', token, body });
    const other = () =>
      stack.api('/executed_obs_units/start', { method: 'POST', token, body: { ...body, obs_unit_id: 2 } });
    expect((await again()).status).toBe(201);
    expect((await untilRefused(again)).some(({ status }) => status === 429)).toBe(true);
    await resetRates();
    // on a slow machine Redis may miss the deadline; such an answer carries no rate
    const refused = (await untilRefused(other)).filter(({ status }) => status === 409 || status === 429);
    expect(refused.some(({ status }) => status === 429)).toBe(true);
    for (const { headers } of refused) expect(headers.get('ratelimit')).toMatch(/^"requests";r=\d+;t=1$/);
  });

  it('forged tokens with a user’s id do not consume that user’s rate', async () => {
    const { token } = await tokenOf('olu-observer', 'mine');
    await resetRates();
    const forged = () => mintApiToken('1002', crypto.getRandomValues(new Uint8Array(64))).token;
    const attack = Array.from(
      { length: 3 * perSecond },
      () => () => stack.api('/auth/me', { token: forged() }),
    );
    expect(new Set((await inTurn(attack)).map(({ status }) => status))).toEqual(new Set([401]));
    expect((await stack.api('/auth/me', { token })).status).toBe(200);
  });

  it('bodies are limited in size, depth and number of values', async () => {
    const post = (text: string) => stack.api('/executed_obs_units/start', { method: 'POST', text });
    const metadata = (value: string) => `{"obs_unit_id":1,"metadata":{"a":${value}}}`;
    expect((await post(metadata(`"${'x'.repeat(300_000)}"`))).status).toBe(413);
    expect((await post(metadata('['.repeat(50) + ']'.repeat(50)))).status).toBe(400);
    expect((await post(metadata(`[${'1,'.repeat(20_000)}1]`))).status).toBe(400);
    expect((await post(metadata(`"${'x'.repeat(70_000)}"`))).status).toBe(400);
  });

  it('the size of a page is limited', async () => {
    expect((await stack.api('/executed_obs_units?limit=100000')).status).toBe(400);
    expect((await stack.api('/api/audit?limit=100000', { token: admin })).status).toBe(400);
  });
});

describe('API5 broken function level authorisation:', () => {
  it('an observer cannot raise their own role or scopes', async () => {
    const { accessToken, token } = await tokenOf('olu-observer', 'raise');
    for (const credential of [accessToken, token]) {
      const change = { method: 'PUT', token: credential, body: { role: 'admin' } };
      expect((await stack.api('/api/users/1002', change)).status).toBe(403);
      const made = { method: 'POST', token: credential, body: { name: 'up', scopes: ['manage:users'] } };
      expect((await stack.api('/api/tokens', made)).status).toBe(403);
    }
  });

  it('another method on a protected path gets 405', async () => {
    for (const method of ['PATCH', 'DELETE', 'PUT', 'POST']) {
      const known = listed.some((route) => route.method === method && route.path === '/api/audit');
      expect(known).toBe(false);
      expect((await stack.api('/api/audit', { method, token: null })).status).toBe(405);
    }
  });
});

describe('API6 unrestricted access to sensitive business flows:', () => {
  it('tickets and logins are rate-limited', async () => {
    const { token } = await tokenOf('olu-observer', 'tickets');
    await resetRates();
    const tickets = await untilRefused(() => stack.api('/api/ws/ticket', { method: 'POST', token }));
    const details = tickets.flatMap(({ status, body }) => (status === 429 ? [String(body.detail)] : []));
    expect(details.join()).toContain('tickets');
    const away = `/github/login?return_to=${encodeURIComponent(origin)}&code_challenge=${'a'.repeat(43)}`;
    const logins = await untilRefused(() => stack.api(away, { token: null }));
    expect(logins.some(({ status }) => status === 429)).toBe(true);
  });
});

describe('API7 server side request forgery:', () => {
  it('redirects and links in answers of GitHub are not followed', async () => {
    const asked: string[] = [];
    addMember(stack, 'many', 4002);
    stack.parts.github.intercept = (request, response) => {
      asked.push(String(request.url));
      response.setHeader('Link', `<${stack.description.http}/health>; rel="next"`);
      if (!request.url?.startsWith('/user/teams')) return false;
      response.writeHead(302, { Location: '/elsewhere' }).end();
      return true;
    };
    const { landed } = await visitGitHub(stack, 'many');
    expect(landed?.searchParams.get('error')).toBe('temporarily_unavailable');
    expect(asked.sort()).toEqual([
      '/user',
      `/user/memberships/orgs/${localOrganization}`,
      '/user/teams?per_page=100&page=1',
    ]);
  });
});

describe('API8 security misconfiguration:', () => {
  it('every answer has the security headers', async () => {
    const replies = [
      await stack.api('/health', { token: null }),
      await stack.api('/executed_obs_units/start', { method: 'POST', body: {}, token: null }),
      await stack.api('/api/audit', { token: admin }),
      await stack.api('/github/login', { token: null }),
    ];
    for (const { headers } of replies) {
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('strict-transport-security')).toContain('max-age=');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('cache-control')).toBe('no-store');
    }
  });

  it('no error discloses internals', async () => {
    const id = randomUUID();
    const bad = [
      await stack.api('/executed_obs_units/start', { method: 'POST', text: '{"a' }),
      await stack.api(`/executed_obs_units/${id}%27%20or%201=1`),
      await stack.api("/executed_obs_units?program=';drop table site;--"),
      await stack.api('/executed_obs_units?program=%00'),
      await stack.api('/executed_obs_units?source=%ff%fe'),
      await stack.api('/executed_obs_units/%00'),
      await stack.api('/api/audit?cursor=%00', { token: admin }),
      await stack.api('/github/callback?state=x&code=y', { token: null }),
      await stack.api('/auth/exchange', { method: 'POST', token: null, body: { code: 1 } }),
    ];
    for (const { status, body } of bad) {
      expect(status).toBeLessThan(500);
      expect(JSON.stringify(body)).not.toMatch(/node_modules|\.ts\b|at \/|redis|postgres|select |stack/i);
    }
  });

  it('CORS does not allow another origin', async () => {
    const { headers } = await stack.api('/health', {
      token: null,
      headers: { Origin: 'https://evil.example' },
    });
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(cors.methods).not.toContain('*');
    expect(cors.allowHeaders).not.toContain('*');
  });
});

describe('API9 improper inventory management:', () => {
  it('paths outside the list of operations get 404', async () => {
    for (const path of [
      '/api/demo/create-demo-token',
      '/swagger',
      '/redoc',
      '/debug',
      '/metrics',
      '/.env',
      '/api',
    ]) {
      for (const method of ['GET', 'POST']) {
        expect((await stack.api(path, { method, token: admin })).status, path).toBe(404);
      }
    }
  });
});

describe('API10 unsafe consumption of APIs:', () => {
  const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    'is not JSON': (response) => response.end('<html>'),
    'has another shape': (response) => response.end('{"id":"1; drop table","login":7}'),
    'has an id below one': (response) => response.end('{"id":-5,"login":"x","name":"x"}'),
    'is too long': (response) =>
      response.end(`${' '.repeat(2_000_000)}{"id":1001,"login":"ada-admin","name":null}`),
    'is an error': (response) => response.writeHead(500).end('{}'),
    'breaks off': (response) => void response.destroy(),
  };

  it.each(Object.keys(answers))('a login fails when the answer of GitHub %s', async (name) => {
    stack.parts.github.intercept = (request, response) => {
      if (request.url !== '/user') return false;
      answers[name]?.(response);
      return true;
    };
    const { landed } = await visitGitHub(stack, 'ada-admin');
    expect([...(landed?.searchParams.entries() ?? [])]).toEqual([['error', 'temporarily_unavailable']]);
  });

  it('a membership in another organisation admits nobody', async () => {
    stack.parts.github.intercept = (request, response) => {
      if (!request.url?.startsWith('/user/memberships')) return false;
      response.end(JSON.stringify({ state: 'active', organization: { login: 'elsewhere' } }));
      return true;
    };
    expect((await visitGitHub(stack, 'ada-admin')).landed?.searchParams.get('error')).toBe('access_denied');
  });

  it('a team of another organisation grants no role', async () => {
    stack.parts.github.intercept = (request, response) => {
      if (!request.url?.startsWith('/user/teams')) return false;
      response.end(JSON.stringify([{ slug: 'admins', organization: { login: 'elsewhere' } }]));
      return true;
    };
    expect((await logIn(stack, 'vera-viewer')).body).toMatchObject({ user: { role: 'viewer' } });
  });
});
