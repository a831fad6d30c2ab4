/** Every operation with every kind of invalid, insufficient and sufficient credential. */
import { exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT, type JWTHeaderParameters } from 'jose';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { hashToken, mintApiToken } from '../../lib/credentials/api-token.ts';
import { permissions, rolePermissions, type Role } from '../../lib/people/permissions.ts';
import { listed, type Listed, type OperationName } from '../../lib/api/operations.ts';
import { noSuchUuid, type Access, type Ownership } from '../../lib/http/operation.ts';
import { startTestStack, startUnit, type Reply, type TestStack } from '../support/test-stack.ts';

/** The example request of a contract. */
function requestOf({ method, path, example }: Listed, params = example.params ?? {}) {
  const at = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    (params[name] ?? '').replace(noSuchUuid, randomUUID()),
  );
  const query = new URLSearchParams(example.query).toString();
  const body = example.body === undefined ? {} : { body: example.body };
  return { path: query === '' ? at : `${at}?${query}`, request: { method, ...body } };
}

/** The status of the example request with a sufficient credential. */
function openStatus({ answers, example }: Listed): number {
  return example.gets ?? Number(Object.keys(answers)[0]);
}

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

const all = listed;
/** The tested cells of the matrix: credential × operation. */
const asked = new Set<string>();

function ask(credential: string, contract: Listed, token: string | null): Promise<Reply> {
  asked.add(`${credential} × ${contract.operation}`);
  const { path, request } = requestOf(contract);
  return stack.api(path, { ...request, token });
}

/** Calls every operation and compares each answer with the expectation of its cell. */
async function askAll(
  credential: string,
  token: string | null,
  expected: (route: Listed) => 401 | 403 | 'open',
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
    expect(reply.body.recorded, cell).toBe(route.records ? false : undefined);
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
  /** a signing key other than the site's */
  readonly key?: Parameters<SignJWT['sign']>[0];
}

/** An admin's access token with the given changes. */
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

/** A valid token with changes in its header and the original signature. */
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
const withAlgorithm = (alg: string) => () => withHeader({ alg });
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
  'a JWT without exp': without('exp'),
  'a JWT without nbf': without('nbf'),
  'a JWT without iat': without('iat'),
  'a JWT without jti': without('jti'),
  'a JWT without iss': without('iss'),
  'a JWT without aud': without('aud'),
  'a JWT without sub': without('sub'),
  'a JWT whose subject is not a user id': () => forge({ claims: { sub: 'admin' } }),
  'a JWT without sid': without('sid'),
  'a JWT of an unknown role': () => forge({ claims: { role: 'root' } }),
  'an unsigned JWT': async () =>
    new UnsecuredJWT({ role: 'admin', sid: 's' }).setSubject('2').setExpirationTime('1h').encode(),
  'a JWT with algorithm none': withAlgorithm('none'),
  'a JWT with algorithm NONE': withAlgorithm('NONE'),
  'a JWT with algorithm nOnE': withAlgorithm('nOnE'),
  'a JWT with algorithm eddsa': withAlgorithm('eddsa'),
  'a JWT with algorithm EDDSA': withAlgorithm('EDDSA'),
  'a JWT with another asymmetric algorithm': withAlgorithm('ES256'),
  'a JWT signed with the public key as a secret': () =>
    forge({ header: { alg: 'HS256' }, key: publicKeyAsSecret() }),
  'a JWT signed with another key': async () =>
    forge({ key: (await generateKeyPair('EdDSA', { crv: 'Ed25519' })).privateKey }),
  'a JWT that embeds its own key': async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    return forge({ header: { jwk: await exportJWK(publicKey) }, key: privateKey });
  },
  'a JWT with an unknown critical extension': () => withHeader({ crit: ['exp2'], exp2: 1 }),
  'a JWT with a modified payload': async () => {
    const [header, payload = '', signature] = (await forge({ claims: { role: 'viewer' } })).split('.');
    const read = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...read, role: 'admin' })).toString('base64url');
    return [header, changed, signature].join('.');
  },
  'a JWT of an ended session': async () => {
    await stack.redisClient.set(stack.keys.revokedSession('ended'), '1');
    return forge({ claims: { sid: 'ended' } });
  },
  'a JWT of a deactivated user': async () => {
    await stack.redisClient.hset(stack.keys.user('77'), { active: '0', role: 'admin', permissions: '' });
    return forge({ claims: { sub: '77' } });
  },
  'an API token that was never issued': async () => mintApiToken('1', Buffer.alloc(64, 'nobody')).token,
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
  '%s gets 401 before anything else of the request is checked',
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

it('every operation with an id in its path declares an owner, unless it is public', () => {
  const without = all.filter(({ params, access, belongsTo }) => params && access !== 'public' && !belongsTo);
  expect(without.map(({ operation }) => operation)).toEqual([]);
});

describe.each(Object.keys(unacceptable))('%s', (name) => {
  it('gets 401 from every operation that is not public', async () => {
    await askAll(name, (await unacceptable[name]?.()) ?? null, () => 401);
  });
});

const roleTokens: Readonly<Record<Role, () => Promise<string>>> = {
  admin: () => forge(),
  observer: () => forge({ claims: { role: 'observer', permissions: rolePermissions.observer } }),
  viewer: () => forge({ claims: { role: 'viewer', permissions: rolePermissions.viewer } }),
  service: () => apiToken('service', { permissions: rolePermissions.service.join(' ') }),
};

describe.each(Object.keys(roleTokens) as Role[])('a valid credential of role %s', (role) => {
  it('opens exactly the operations that its permissions allow', async () => {
    const has = (access: Access) => rolePermissions[role].some((each) => each === access);
    await askAll(role, await roleTokens[role](), ({ access }) =>
      access === 'any' || has(access) ? 'open' : 403,
    );
  });
});

it('a JWT that claims more permissions than its role gets those of its role', async () => {
  const token = await forge({ claims: { role: 'viewer', permissions: rolePermissions.admin } });
  const has = (access: Access) => rolePermissions.viewer.some((each) => each === access);
  await askAll('more than its role', token, ({ access }) => (access === 'any' || has(access) ? 'open' : 403));
});

describe.each(permissions)('an API token', (permission) => {
  it(`with ${permission} alone opens exactly the operations of that permission`, async () => {
    const token = await apiToken(`only ${permission}`, { permissions: permission });
    await askAll(`only ${permission}`, token, ({ access }) =>
      access === 'any' || access === permission ? 'open' : 403,
    );
  });

  it(`with every scope but ${permission} opens all other operations`, async () => {
    const others = permissions.filter((each) => each !== permission).join(' ');
    const token = await apiToken(`no ${permission}`, { permissions: others });
    await askAll(`no ${permission}`, token, ({ access }) => (access === permission ? 403 : 'open'));
  });
});

it('an API token without scopes opens only operations for any credential', async () => {
  const token = await apiToken('none', { permissions: '' });
  await askAll('no scope', token, ({ access }) => (access === 'any' ? 'open' : 403));
});

/** The ids of another observer's objects, by the kind of object in a contract. */
type Theirs = Readonly<Record<Ownership['object'], string>>;

/** Requests that name another user's object other than by `{id}`. */
const named: Readonly<
  Partial<Record<OperationName, (theirs: Theirs) => { readonly path?: string; readonly body?: object }>>
> = {
  startExecutedObsUnit: ({ executed_obs_unit: id }) => ({ body: { obs_unit_id: 2, id } }),
  listTokens: ({ user }) => ({ path: `/api/tokens?owner=${user}` }),
};

it('an operation on another user’s object answers as its contract declares', async () => {
  const observer = (sub: string) =>
    forge({ claims: { sub, sid: sub, role: 'observer', permissions: rolePermissions.observer } });
  const [they, another] = await Promise.all([observer('901'), observer('902')]);
  const started = await startUnit((path, request) => stack.api(path, { ...request, token: they }));
  const made = await stack.api('/api/tokens', { method: 'POST', token: they, body: { name: 'theirs' } });
  const theirs: Theirs = {
    executed_obs_unit: String(started.body.id),
    transaction: String(started.body.transaction_id),
    token: String(made.body.id),
    user: '901',
  };
  for (const contract of all) {
    const { operation, belongsTo } = contract;
    asked.add(`of another user × ${operation}`);
    if (!belongsTo) continue;
    const { path, request } = requestOf(contract, { id: theirs[belongsTo.object] });
    const { path: otherPath = path, ...other } = named[operation]?.(theirs) ?? {};
    const { status, body } = await stack.api(otherPath, { ...request, ...other, token: another });
    expect(status, operation).toBe(belongsTo.ofOthers);
    if (status >= 400) expect(JSON.stringify(body), operation).not.toContain('theirs');
  }
  expect((await stack.api('/auth/me', { token: String(made.body.token) })).status).toBe(200);
});

it('the matrix has no untested cell', () => {
  const credentials = new Set([...asked].map((cell) => cell.split(' × ')[0]));
  expect(credentials.size).toBe(
    Object.keys(unacceptable).length + Object.keys(roleTokens).length + 2 * permissions.length + 3,
  );
  expect(asked.size).toBe(credentials.size * all.length);
  console.log(`${asked.size} cells: ${credentials.size} credentials × ${all.length} routes`);
});

it('the published key set contains no private key', async () => {
  const { body } = await stack.api('/.well-known/jwks.json', { token: null });
  expect(body).toEqual({ keys: [expect.objectContaining({ kid: stack.secrets.publicKey.kid, kty: 'OKP' })] });
  expect(JSON.stringify(body)).not.toContain('"d"');
});

it('/auth/me and /api/tokens/scopes show the identity and the grantable scopes', async () => {
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
