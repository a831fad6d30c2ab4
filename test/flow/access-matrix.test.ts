/** Every route of the list with every credential that is not good enough, and with one that is. */
import { exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT, type JWTHeaderParameters } from 'jose';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { hashToken, mintApiToken } from '../../lib/credentials/api-token.ts';
import { permissions, rolePermissions, type Role } from '../../lib/people/permissions.ts';
import { routes, type Route } from '../../lib/http/routes.ts';
import {
  startTestStack,
  startUnit,
  type Reply,
  type Request,
  type TestStack,
} from '../support/test-stack.ts';

type Operation = (typeof routes)[number]['operation'];

const discard = { body: { reason: 'test' } };

/** A request that is right but for its credential, and the status that a right one gets. A new route needs its row. */
const requests: Readonly<Record<Operation, { path?: string; status: number } & Request>> = {
  startExecutedObsUnit: { body: { obs_unit_id: 1 }, status: 201 },
  finishExecutedObsUnit: { body: {}, status: 202 },
  readExecutedObsUnit: { path: '/executed_obs_units/1', status: 200 },
  listExecutedObsUnits: { status: 200 },
  readTransaction: { status: 404 },
  listTransactions: { path: '/api/transactions?state=failed', status: 200 },
  retryTransaction: { status: 404 },
  discardTransaction: { ...discard, status: 404 },
  readBuffer: { status: 200 },
  readTransferOverview: { status: 200 },
  readHealth: { status: 200 },
  readJwks: { status: 200 },
  startLogin: {
    path: `/github/login?return_to=${encodeURIComponent('http://localhost:3000/')}&code_challenge=${'a'.repeat(43)}`,
    status: 302,
  },
  finishLogin: { path: `/github/callback?state=${'a'.repeat(43)}&code=b`, status: 400 },
  exchangeCode: { body: { code: 'a'.repeat(43), code_verifier: 'b'.repeat(43) }, status: 401 },
  refreshSession: { status: 401 },
  logOut: { status: 200 },
  listUsers: { status: 200 },
  changeUser: { path: '/api/users/999', body: { active: true }, status: 404 },
  readAudit: { status: 200 },
  readMe: { status: 200 },
  listScopes: { status: 200 },
  createToken: { body: { name: 'matrix', scopes: ['*'] }, status: 201 },
  listTokens: { status: 200 },
  rotateToken: { status: 404 },
  revokeToken: { status: 404 },
  createTicket: { status: 201 },
  readIndex: { status: 200 },
  readVersion: { status: 200 },
  readAsyncApi: { status: 200 },
  readProblem: { path: '/problems/not-found', status: 200 },
};

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

const all: readonly Route[] = routes;
/** Cells of the matrix that were asked: credential × route. */
const asked = new Set<string>();

function ask(credential: string, { operation, method, path }: Route, token: string | null): Promise<Reply> {
  asked.add(`${credential} × ${operation}`);
  const { path: given, ...request } = requests[operation as Operation];
  return stack.api(given ?? path.replace('{id}', randomUUID()), { method, ...request, token });
}

/** The status of a route without any credential that is looked at, or with one that is good. */
const openStatus = ({ operation }: Route) => requests[operation as Operation].status;

/** Asks every route, and holds each answer against what its cell says. */
async function askAll(
  credential: string,
  token: string | null,
  expected: (route: Route) => 401 | 403 | 'open',
): Promise<void> {
  for (const route of all) {
    const reply = await ask(credential, route, token);
    const wanted = route.access === 'public' ? 'open' : expected(route);
    const cell = `${credential} × ${route.operation}`;
    if (wanted === 'open') {
      expect(reply.status, cell).toBe(openStatus(route));
      continue;
    }
    expect(reply.status, cell).toBe(wanted);
    expect(reply.headers.get('content-type'), cell).toBe('application/problem+json');
    const title = wanted === 401 ? 'Not authenticated' : 'Not permitted';
    expect(reply.body, cell).toMatchObject({ status: wanted, title });
    if (wanted === 401) expect(reply.headers.get('www-authenticate'), cell).toMatch(/^Bearer/);
    const isWrite = route.function === 'accept' || route.function === 'decide';
    expect(reply.body.recorded, cell).toBe(isWrite ? false : undefined);
  }
}

interface Forgery {
  readonly header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly issuer?: string;
  readonly audience?: string;
  /** seconds from now */
  readonly from?: number;
  readonly until?: number;
  /** instead of the site's */
  readonly key?: Parameters<SignJWT['sign']>[0];
}

/** An admin's access token, but for what is given. */
async function forge(forgery: Forgery = {}): Promise<string> {
  const { header = {}, claims = {}, from = -10, until = 600, key } = forgery;
  const now = Math.floor(Date.now() / 1000);
  const { privateKey } = stack.secrets;
  const payload = {
    name: 'forged',
    role: 'admin',
    permissions: rolePermissions.admin,
    sid: 'forged',
    iss: forgery.issuer ?? tokenIssuer.issuer,
    aud: forgery.audience ?? tokenIssuer.audience,
    sub: '2',
    iat: now + from,
    nbf: now + from,
    exp: now + until,
    jti: randomUUID(),
    ...claims,
  };
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: String(privateKey.kid), ...header })
    .sign(key ?? (await importJWK(privateKey, 'EdDSA')));
}

/** The header of a good token replaced, its signature kept. */
async function withHeader(change: object): Promise<string> {
  const [header = '', ...rest] = (await forge()).split('.');
  const read = JSON.parse(Buffer.from(header, 'base64url').toString()) as object;
  return [Buffer.from(JSON.stringify({ ...read, ...change })).toString('base64url'), ...rest].join('.');
}

async function apiToken(name: string, fields: object): Promise<string> {
  const { token } = mintApiToken('1', Buffer.alloc(64, name));
  await stack.redisClient.hset(stack.keys.token(hashToken(token)), {
    id: '9',
    principal: '1',
    name,
    role: 'service',
    permissions: rolePermissions.admin.join(' '),
    expires_at: '',
    revoked: '0',
    ...fields,
  });
  return token;
}

const publicKeyAsSecret = () => new TextEncoder().encode(JSON.stringify(stack.secrets.publicKey));
const without = (claim: string) => () => forge({ claims: { [claim]: undefined } });
const writtenAs = (alg: string) => () => withHeader({ alg });
const unacceptable: Readonly<Record<string, () => Promise<string | null>>> = {
  'no credential': async () => null,
  garbage: async () => 'garbage',
  'an expired JWT': () => forge({ from: -7200, until: -3600 }),
  'a JWT that is not valid yet': () => forge({ from: 3600, until: 7200 }),
  'a JWT for another audience': () => forge({ audience: 'elsewhere' }),
  'a JWT of another issuer': () => forge({ issuer: 'http://elsewhere' }),
  'a JWT without a type': () => forge({ header: { typ: undefined } }),
  'a JWT of another type': () => forge({ header: { typ: 'JWT' } }),
  'a JWT with an unknown key id': () => forge({ header: { kid: 'unknown' } }),
  'a JWT without a key id': () => forge({ header: { kid: undefined } }),
  'a JWT without an end': without('exp'),
  'a JWT without a beginning': without('nbf'),
  'a JWT without a time': without('iat'),
  'a JWT without an id': without('jti'),
  'a JWT without an issuer': without('iss'),
  'a JWT without an audience': without('aud'),
  'a JWT of nobody': without('sub'),
  'a JWT of somebody who is no user': () => forge({ claims: { sub: 'admin' } }),
  'a JWT without a session': without('sid'),
  'a JWT of a role that is none': () => forge({ claims: { role: 'root' } }),
  'an unsigned JWT': async () =>
    new UnsecuredJWT({ role: 'admin', sid: 's' }).setSubject('2').setExpirationTime('1h').encode(),
  'a JWT that says it is unsigned': writtenAs('none'),
  'a JWT whose algorithm is written NONE': writtenAs('NONE'),
  'a JWT whose algorithm is written nOnE': writtenAs('nOnE'),
  'a JWT whose algorithm is written eddsa': writtenAs('eddsa'),
  'a JWT whose algorithm is written EDDSA': writtenAs('EDDSA'),
  'a JWT of another asymmetric algorithm': writtenAs('ES256'),
  'a JWT under the public key as a secret': () =>
    forge({ header: { alg: 'HS256' }, key: publicKeyAsSecret() }),
  'a JWT under a key of somebody else': async () =>
    forge({ key: (await generateKeyPair('EdDSA', { crv: 'Ed25519' })).privateKey }),
  'a JWT that brings its own key': async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    return forge({ header: { jwk: await exportJWK(publicKey) }, key: privateKey });
  },
  'a JWT with an extension that nobody knows': () => withHeader({ crit: ['exp2'], exp2: 1 }),
  'a JWT with its payload changed': async () => {
    const [header, payload = '', signature] = (await forge({ claims: { role: 'viewer' } })).split('.');
    const read = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...read, role: 'admin' })).toString('base64url');
    return [header, changed, signature].join('.');
  },
  'a JWT of a session that was ended': async () => {
    await stack.redisClient.set(stack.keys.revokedSession('ended'), '1');
    return forge({ claims: { sid: 'ended' } });
  },
  'a JWT of somebody who was barred': async () => {
    await stack.redisClient.hset(stack.keys.user('77'), { active: '0', role: 'admin', permissions: '' });
    return forge({ claims: { sub: '77' } });
  },
  'an API token that nobody made': async () => mintApiToken('1', Buffer.alloc(64, 'nobody')).token,
  'an API token of another principal': async () => {
    const token = await apiToken('other', {});
    await stack.redisClient.hset(stack.keys.token(hashToken(token)), { principal: '2' });
    return token;
  },
  'a revoked API token': () => apiToken('revoked', { revoked: '1' }),
  'an expired API token': () =>
    apiToken('expired', { expires_at: String(Math.floor(Date.now() / 1000) - 5) }),
  'a truncated API token': async () => (await apiToken('short', {})).slice(0, -1),
  'an API token with a wrong checksum': async () => {
    const token = await apiToken('wrong', {});
    return token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
  },
};

it.each(['no credential', 'garbage', 'an expired JWT', 'a truncated API token'])(
  '%s is 401 before anything else of the request is looked at',
  async (name) => {
    const token = (await unacceptable[name]?.()) ?? null;
    for (const { operation, method, path, access } of all) {
      if (access === 'public') continue;
      const at = path.replace('{id}', 'no-uuid');
      for (const text of [
        '{}',
        '[1]',
        '{',
        '"\\ud800"',
        '{"reason": 7, "name": {}, "obs_unit_id": "x", "role": 0}',
      ]) {
        const request = method === 'GET' ? { method } : { method, text };
        const query = token === null ? '?no=parameter' : '';
        const reply = await stack.api(at + query, { ...request, token });
        expect(reply.status, `${operation} ${text}`).toBe(401);
      }
    }
  },
);

it('every route has its row, and every object its owner', () => {
  const operations = all.map(({ operation }) => operation).sort();
  expect(Object.keys(requests).sort()).toEqual(operations);
  expect(Object.keys(ofOthers).sort()).toEqual(operations);
});

describe.each(Object.keys(unacceptable))('%s', (name) => {
  it('is 401 on every closed route, and no matter on an open one', async () => {
    await askAll(name, (await unacceptable[name]?.()) ?? null, () => 401);
  });
});

const roleTokens: Readonly<Record<Role, () => Promise<string>>> = {
  admin: () => forge(),
  observer: () => forge({ claims: { role: 'observer', permissions: rolePermissions.observer } }),
  viewer: () => forge({ claims: { role: 'viewer', permissions: rolePermissions.viewer } }),
  service: () => apiToken('service', { permissions: rolePermissions.service.join(' ') }),
};

describe.each(Object.keys(roleTokens) as Role[])('a good credential of role %s', (role) => {
  it('opens the routes of its permissions, and no other', async () => {
    const has = (access: Route['access']) => rolePermissions[role].some((each) => each === access);
    await askAll(role, await roleTokens[role](), ({ access }) =>
      access === 'any' || has(access) ? 'open' : 403,
    );
  });
});

it('a JWT that claims more than its role has gets what the role has', async () => {
  const token = await forge({ claims: { role: 'viewer', permissions: rolePermissions.admin } });
  const has = (access: Route['access']) => rolePermissions.viewer.some((each) => each === access);
  await askAll('more than its role', token, ({ access }) => (access === 'any' || has(access) ? 'open' : 403));
});

describe.each(permissions)('an API token', (permission) => {
  it(`with ${permission} alone opens what that opens`, async () => {
    const token = await apiToken(`only ${permission}`, { permissions: permission });
    await askAll(`only ${permission}`, token, ({ access }) =>
      access === 'any' || access === permission ? 'open' : 403,
    );
  });

  it(`with every scope but ${permission} opens everything else`, async () => {
    const others = permissions.filter((each) => each !== permission).join(' ');
    const token = await apiToken(`no ${permission}`, { permissions: others });
    await askAll(`no ${permission}`, token, ({ access }) => (access === permission ? 403 : 'open'));
  });
});

it('an API token without scopes opens only what is open to all', async () => {
  const token = await apiToken('none', { permissions: '' });
  await askAll('no scope', token, ({ access }) => (access === 'any' ? 'open' : 403));
});

type OfOthers =
  | 'no object'
  /** observations belong to the observatory: whoever has the permission may read and finish them */
  | { readonly shared: (theirs: Theirs) => Request & { readonly path: string }; readonly status: number }
  | { readonly owned: (theirs: Theirs) => Request & { readonly path: string }; readonly status: number };

interface Theirs {
  readonly unit: string;
  readonly transaction: string;
  readonly token: string;
}

const setAside = ({ transaction }: Theirs, action: string) => ({
  path: `/api/transactions/${transaction}/${action}`,
  ...discard,
});

/** What an observer may do with an object of another observer. */
const ofOthers: Readonly<Record<Operation, OfOthers>> = {
  startExecutedObsUnit: {
    owned: ({ unit }) => ({ path: '/executed_obs_units/start', body: { obs_unit_id: 2, id: unit } }),
    status: 409,
  },
  finishExecutedObsUnit: {
    shared: ({ unit }) => ({ path: `/executed_obs_units/${unit}/finish`, body: {} }),
    status: 200,
  },
  readExecutedObsUnit: { shared: ({ unit }) => ({ path: `/executed_obs_units/${unit}` }), status: 200 },
  listExecutedObsUnits: { shared: () => ({ path: '/executed_obs_units' }), status: 200 },
  readTransaction: {
    shared: ({ transaction }) => ({ path: `/api/transactions/${transaction}` }),
    status: 200,
  },
  listTransactions: { shared: () => ({ path: '/api/transactions?state=failed' }), status: 200 },
  retryTransaction: { owned: (theirs) => setAside(theirs, 'retry'), status: 403 },
  discardTransaction: { owned: (theirs) => setAside(theirs, 'discard'), status: 403 },
  readBuffer: 'no object',
  readTransferOverview: 'no object',
  readHealth: 'no object',
  readJwks: 'no object',
  startLogin: 'no object',
  finishLogin: 'no object',
  exchangeCode: 'no object',
  refreshSession: 'no object',
  logOut: 'no object',
  listUsers: { owned: () => ({ path: '/api/users' }), status: 403 },
  changeUser: { owned: () => ({ path: '/api/users/901', body: { role: 'admin' } }), status: 403 },
  readAudit: { owned: () => ({ path: '/api/audit' }), status: 403 },
  readMe: 'no object',
  listScopes: 'no object',
  createToken: 'no object',
  listTokens: { owned: () => ({ path: '/api/tokens?owner=901' }), status: 403 },
  rotateToken: { owned: ({ token }) => ({ path: `/api/tokens/${token}/rotate` }), status: 404 },
  revokeToken: { owned: ({ token }) => ({ path: `/api/tokens/${token}` }), status: 404 },
  createTicket: 'no object',
  readIndex: 'no object',
  readVersion: 'no object',
  readAsyncApi: 'no object',
  readProblem: 'no object',
};

it('what is somebody else’s is as much another’s as its row says', async () => {
  const observer = (sub: string) =>
    forge({ claims: { sub, sid: sub, role: 'observer', permissions: rolePermissions.observer } });
  const [they, another] = await Promise.all([observer('901'), observer('902')]);
  const started = await startUnit((path, request) => stack.api(path, { ...request, token: they }));
  const made = await stack.api('/api/tokens', { method: 'POST', token: they, body: { name: 'theirs' } });
  const theirs: Theirs = {
    unit: String(started.body.id),
    transaction: String(started.body.transaction_id),
    token: String(made.body.id),
  };
  for (const { operation, method } of all) {
    asked.add(`of another × ${operation}`);
    const row = ofOthers[operation as Operation];
    if (row === 'no object') continue;
    const { path, ...request } = ('owned' in row ? row.owned : row.shared)(theirs);
    const { status, body } = await stack.api(path, { method, token: another, ...request });
    expect(status, operation).toBe(row.status);
    if ('owned' in row) expect(JSON.stringify(body), operation).not.toContain('theirs');
  }
  expect((await stack.api('/auth/me', { token: String(made.body.token) })).status).toBe(200);
});

it('no cell of the matrix is empty', () => {
  const credentials = new Set([...asked].map((cell) => cell.split(' × ')[0]));
  expect(credentials.size).toBe(
    Object.keys(unacceptable).length + Object.keys(roleTokens).length + 2 * permissions.length + 3,
  );
  expect(asked.size).toBe(credentials.size * all.length);
  console.log(`${asked.size} cells: ${credentials.size} credentials × ${all.length} routes`);
});

it('what is published of the keys verifies, and signs nothing', async () => {
  const { body } = await stack.api('/.well-known/jwks.json', { token: null });
  expect(body).toEqual({ keys: [expect.objectContaining({ kid: stack.secrets.publicKey.kid, kty: 'OKP' })] });
  expect(JSON.stringify(body)).not.toContain('"d"');
});

it('who one is, and what a token could be given', async () => {
  const { tokens } = stack.description;
  expect((await stack.api('/auth/me', { token: tokens.viewer })).body).toMatchObject({
    id: '3',
    role: 'viewer',
    permissions: rolePermissions.viewer,
    credential: 'session',
  });
  expect((await stack.api('/auth/me')).body).toMatchObject({ role: 'service', credential: 'api-token' });
  expect((await stack.api('/api/tokens/scopes', { token: tokens.viewer })).body).toEqual(
    rolePermissions.viewer,
  );
});
