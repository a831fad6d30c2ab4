/** Every route of the list with every credential that is not good enough, and with one that is. */
import { importJWK, SignJWT, UnsecuredJWT, type JWTHeaderParameters } from 'jose';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { hashToken, mintApiToken } from '../../lib/auth/api-token.ts';
import { rolePermissions, type Role } from '../../lib/auth/permissions.ts';
import { routes, type Route } from '../../lib/http/routes.ts';
import { startTestStack, type Request, type TestStack } from '../support/test-stack.ts';

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
  createToken: { body: { name: 'matrix', scopes: ['read:observations'] }, status: 201 },
  listTokens: { status: 200 },
  rotateToken: { status: 404 },
  revokeToken: { status: 404 },
  createTicket: { status: 201 },
};

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

const all: readonly Route[] = routes;
const closed = all.filter(({ access }) => access !== 'public');

function ask({ operation, method, path }: Route, token: string | null) {
  const { path: given, ...request } = requests[operation as Operation];
  return stack.api(given ?? path.replace('{id}', randomUUID()), { method, ...request, token });
}

interface Forgery {
  readonly header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly issuer?: string;
  readonly audience?: string;
  /** seconds from now */
  readonly from?: number;
  readonly until?: number;
  readonly secret?: Uint8Array;
}

/** An admin's access token, but for what is given. */
async function forge(forgery: Forgery = {}): Promise<string> {
  const { header = {}, claims = {}, from = -10, until = 600, secret } = forgery;
  const now = Math.floor(Date.now() / 1000);
  const { privateKey } = stack.secrets;
  const payload = {
    name: 'forged',
    role: 'admin',
    permissions: rolePermissions.admin,
    sid: 'forged',
    ...claims,
  };
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: String(privateKey.kid), ...header })
    .setIssuer(forgery.issuer ?? tokenIssuer.issuer)
    .setAudience(forgery.audience ?? tokenIssuer.audience)
    .setSubject('2')
    .setIssuedAt(now + from)
    .setNotBefore(now + from)
    .setExpirationTime(now + until)
    .setJti(randomUUID())
    .sign(secret ?? (await importJWK(privateKey, 'EdDSA')));
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
  'a JWT without a session': () => forge({ claims: { sid: undefined } }),
  'a JWT of a role that is none': () => forge({ claims: { role: 'root' } }),
  'an unsigned JWT': async () =>
    new UnsecuredJWT({ role: 'admin', sid: 's' }).setSubject('2').setExpirationTime('1h').encode(),
  'a JWT that says it is unsigned': () => withHeader({ alg: 'none' }),
  'a JWT whose algorithm is written otherwise': () => withHeader({ alg: 'eddsa' }),
  'a JWT whose algorithm is written NONE': () => withHeader({ alg: 'NONE' }),
  'a JWT under the public key as a secret': () =>
    forge({ header: { alg: 'HS256' }, secret: publicKeyAsSecret() }),
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
  'an API token that nobody made': async () => mintApiToken('1', Buffer.alloc(64, 'nobody')).token,
  'an API token of another principal': async () => {
    const { token, hash } = mintApiToken('1', Buffer.alloc(64, 'other'));
    await apiToken('other', {});
    await stack.redisClient.hset(stack.keys.token(hash), { principal: '2' });
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

it('every route has its row', () => {
  expect(Object.keys(requests).sort()).toEqual(all.map(({ operation }) => operation).sort());
});

describe.each(Object.keys(unacceptable))('with %s', (name) => {
  it('every closed route is 401', async () => {
    const token = (await unacceptable[name]?.()) ?? null;
    for (const route of closed) {
      const reply = await ask(route, token);
      expect(reply.status, route.operation).toBe(401);
      expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect(reply.headers.get('content-type')).toBe('application/problem+json');
      expect(reply.body).toMatchObject({ status: 401, title: 'Not authenticated' });
    }
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
    const token = await roleTokens[role]();
    for (const route of closed) {
      const { status, body } = await ask(route, token);
      const may = route.access === 'any' || rolePermissions[role].some((each) => each === route.access);
      expect(status, `${role} ${route.operation}`).toBe(
        may ? requests[route.operation as Operation].status : 403,
      );
      if (!may) expect(body).toMatchObject({ title: 'Not permitted', status: 403 });
    }
  });
});

it('a JWT that claims more than its role has gets what the role has', async () => {
  const token = await forge({ claims: { role: 'viewer', permissions: rolePermissions.admin } });
  for (const route of closed) {
    const may = route.access === 'any' || rolePermissions.viewer.some((each) => each === route.access);
    expect((await ask(route, token)).status !== 403, route.operation).toBe(may);
  }
});

it('an API token without scopes opens only what is open to all', async () => {
  const token = await apiToken('none', { permissions: '' });
  for (const route of closed) {
    expect((await ask(route, token)).status, route.operation).toBe(
      route.access === 'any' ? requests[route.operation as Operation].status : 403,
    );
  }
});

it('open routes answer whatever comes with them', async () => {
  for (const route of all.filter(({ access }) => access === 'public')) {
    for (const token of [null, 'garbage', await forge({ until: -3600, from: -7200 })]) {
      expect((await ask(route, token)).status, route.operation).toBe(
        requests[route.operation as Operation].status,
      );
    }
  }
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
