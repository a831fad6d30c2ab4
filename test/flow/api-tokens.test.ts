/** API tokens are created, used, rotated and revoked, also with the link cut and after Redis has lost them. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { signAccessToken } from '../../lib/credentials/access-token.ts';
import { hashToken } from '../../lib/credentials/api-token.ts';
import { rolePermissions, type Role } from '../../lib/people/permissions.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, startUnit, type Reply, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
let observer: string;
let other: string;

beforeAll(async () => {
  stack = await startTestStack();
  [observer, other] = await Promise.all([session('601', 'observer'), session('602', 'observer')]);
});
afterEach(() => stack.link.set({ up: true }));
afterAll(() => stack.stop());

function session(id: string, role: Role): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = { id, name: role, role, sessionId: randomUUID() };
  const times = { issuedAt: now, expiresAt: now + 600, id: randomUUID() };
  return signAccessToken(stack.secrets.privateKey, tokenIssuer, claims, times);
}
const make = (body: object, token = observer) => stack.api('/api/tokens', { method: 'POST', body, token });
const list = async (token = observer) =>
  (await stack.api('/api/tokens', { token })).body as unknown as {
    id: string;
    name: string;
    revoked: boolean;
  }[];
const revoke = (id: unknown, token = observer) =>
  stack.api(`/api/tokens/${String(id)}`, { method: 'DELETE', token });
const start = (token: unknown): Promise<Reply> =>
  startUnit((path, request) => stack.api(path, { ...request, token: String(token) }), { obs_unit_id: 41 });
const rowOf = async (id: unknown) =>
  (
    await stack.main.query<{ token_hash: string; revoked_at: Date | null; principal: string }>(
      'select token_hash, revoked_at, principal from api_token where id = $1',
      [id],
    )
  ).rows[0];

describe('an API token', () => {
  it('is shown once, works at once, and is stored at main by its hash', async () => {
    const { status, body } = await make({ name: 'night script', scopes: ['write:*', 'read:observations'] });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      name: 'night script',
      scopes: ['read:observations', 'write:observations'],
      expires_at: null,
      revoked: false,
    });
    expect((await start(body.token)).status).toBe(201);
    const listed = await stack.api('/api/tokens', { token: observer });
    expect(listed.body).toMatchObject([{ id: body.id, name: 'night script' }]);
    expect(JSON.stringify(listed.body)).not.toContain(String(body.token).split('_')[2]);
    const row = await eventually(async () => {
      const found = await rowOf(body.id);
      expect(found).toBeDefined();
      return found;
    });
    expect(row).toEqual({ token_hash: hashToken(String(body.token)), revoked_at: null, principal: '601' });
    const { rows } = await stack.main.query("select principal from inbox where operation = 'createToken'");
    expect(rows).toEqual([{ principal: '601' }]);
  });

  it('never grants more than its creator has, and expires as declared', async () => {
    expect((await make({ name: 'x', scopes: ['manage:users'] })).status).toBe(403);
    expect((await make({ name: 'x', scopes: ['fly:*'] })).status).toBe(400);
    const { body } = await make({ name: 'all', scopes: ['*'], expires_in_days: 1 });
    expect(body.scopes).toEqual(rolePermissions.observer);
    const left = Date.parse(String(body.expires_at)) - Date.now();
    expect(left).toBeGreaterThan(23 * 3600 * 1000);
    expect(left).toBeLessThanOrEqual(24 * 3600 * 1000);
    // a token made with a token expires with it and grants no more than it
    const child = await make({ name: 'child', scopes: ['*'] }, String(body.token));
    expect(child.body).toMatchObject({ scopes: rolePermissions.observer, expires_at: body.expires_at });
    const narrow = await make({ name: 'narrow', scopes: ['manage:tokens'] });
    expect(
      (await make({ name: 'x', scopes: ['write:observations'] }, String(narrow.body.token))).status,
    ).toBe(403);
  });

  it.each([
    {},
    { name: '' },
    { name: 'x', scopes: [] },
    { name: 'x', expires_in_days: 0 },
    { name: 'x', role: 'admin' },
  ])('is not created from %j', async (body) => {
    expect((await make(body)).status).toBe(400);
  });

  it('is revoked at once, also at main, by its owner or an admin only', async () => {
    const { body } = await make({ name: 'to end' });
    const foreign = await revoke(body.id, other);
    expect(foreign.status).toBe(404);
    expect((await start(body.token)).status).toBe(201);
    expect((await revoke(body.id)).body).toMatchObject({ id: body.id, revoked: true });
    expect((await start(body.token)).status).toBe(401);
    await eventually(async () => expect((await rowOf(body.id))?.revoked_at).toBeInstanceOf(Date));
    const { body: second } = await make({ name: 'to end by an admin' });
    expect((await revoke(second.id, stack.description.tokens.admin)).status).toBe(200);
    expect((await start(second.token)).status).toBe(401);
  });

  it('is replaced when it is rotated', async () => {
    const { body: old } = await make({ name: 'renewed', scopes: ['write:observations'] });
    const path = `/api/tokens/${String(old.id)}/rotate`;
    expect((await stack.api(path, { method: 'POST', token: other })).status).toBe(404);
    const { status, body } = await stack.api(path, { method: 'POST', token: observer });
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'renewed', scopes: ['write:observations'] });
    expect((await start(old.token)).status).toBe(401);
    expect((await start(body.token)).status).toBe(201);
  });
});

it('an API token can rotate and revoke itself, recorded at main', async () => {
  const { body: first } = await make({ name: 'by itself' });
  const path = `/api/tokens/${String(first.id)}/rotate`;
  const renewed = await stack.api(path, { method: 'POST', token: String(first.token) });
  expect(renewed.status).toBe(201);
  expect(renewed.body).toMatchObject({ name: 'by itself', replaces: { id: first.id, has_ended: true } });
  expect([(await start(first.token)).status, (await start(renewed.body.token)).status]).toEqual([401, 201]);
  const ended = await revoke(renewed.body.id, String(renewed.body.token));
  expect(ended).toMatchObject({ status: 200, body: { revoked: true } });
  expect((await start(renewed.body.token)).status).toBe(401);
  await eventually(async () => {
    for (const { id } of [first, renewed.body]) {
      expect((await rowOf(id))?.revoked_at).toBeInstanceOf(Date);
    }
  });
  const { rows } = await stack.main.query<{ detail: object }>(
    "select detail from audit_event where action = 'token.revoked' and subject = $1",
    [renewed.body.id],
  );
  expect(rows).toMatchObject([{ detail: { with_token: renewed.body.id, owner: '601' } }]);
});

it('an API token does not extend its expiry by rotating itself', async () => {
  const { body: old } = await make({ name: 'ends', expires_in_days: 2 });
  const hash = stack.keys.token(hashToken(String(old.token)));
  // half of its lifetime has passed
  const day = 24 * 3600;
  const [created, expires] = [old.created_at, old.expires_at].map(
    (at) => Date.parse(String(at)) / 1000 - day,
  );
  await stack.redisClient.hset(hash, { created_at: String(created), expires_at: String(expires) });
  const path = `/api/tokens/${String(old.id)}/rotate`;
  const { body: own } = await stack.api(path, { method: 'POST', token: String(old.token) });
  expect(Date.parse(String(own.expires_at)) / 1000).toBe(expires);
  const { body: whole } = await make({ name: 'ends', expires_in_days: 2 });
  const wholeHash = stack.keys.token(hashToken(String(whole.token)));
  await stack.redisClient.hset(wholeHash, { created_at: String(created), expires_at: String(expires) });
  const byOwner = `/api/tokens/${String(whole.id)}/rotate`;
  const { body } = await stack.api(byOwner, { method: 'POST', token: observer });
  expect(Date.parse(String(body.expires_at)) / 1000).toBeGreaterThanOrEqual(Number(expires) + day);
});

it('an API token is not rotated by a credential with fewer scopes, nor after it has ended', async () => {
  const { body: whole } = await make({ name: 'whole' });
  const { body: narrow } = await make({ name: 'narrow', scopes: ['manage:tokens'] });
  const rotate = (id: unknown, token: unknown) =>
    stack.api(`/api/tokens/${String(id)}/rotate`, { method: 'POST', token: String(token) });
  expect((await rotate(whole.id, narrow.token)).status).toBe(403);
  expect((await start(whole.token)).status).toBe(201);
  await revoke(whole.id);
  expect((await rotate(whole.id, observer)).status).toBe(404);
});

describe('rotations of one token', () => {
  const rotate = (id: unknown, token: unknown) =>
    stack.api(`/api/tokens/${String(id)}/rotate`, { method: 'POST', token: String(token) });
  const liveNamed = async (name: string) =>
    (await list()).filter((each) => each.name === name && !each.revoked).map(({ id }) => id);

  it('leave one token under concurrent requests', async () => {
    const { body: old } = await make({ name: 'ten at once' });
    const replies = await Promise.all(Array.from({ length: 10 }, () => rotate(old.id, observer)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(replies.map(({ body }) => body.token)).size).toBe(1);
    const [first] = replies;
    expect(await liveNamed('ten at once')).toEqual([first?.body.id]);
    expect((await start(first?.body.token)).status).toBe(201);
    expect((await start(old.token)).status).toBe(401);
    // as after a lost answer
    expect((await rotate(old.id, observer)).body).toMatchObject({
      token: first?.body.token,
      replaces: { id: old.id, has_ended: true },
    });
    await eventually(async () => {
      const { rows } = await stack.main.query(
        "select count(*)::int, count(revoked_at)::int as ended from api_token where name = 'ten at once'",
      );
      expect(rows).toEqual([{ count: 2, ended: 1 }]);
    });
    const { rows } = await stack.main.query(
      'select action from audit_event where subject = any ($1) order by action',
      [[old.id, first?.body.id]],
    );
    expect(rows.map((row: { action: string }) => row.action)).toEqual([
      'token.created',
      'token.revoked',
      'token.rotated',
    ]);
  });

  it('leave one token when the token itself and another credential rotate it concurrently', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { body: old } = await make({ name: `round ${round}` });
      const asking = [old.token, observer, old.token, observer, old.token];
      const replies = await Promise.all(asking.map((token) => rotate(old.id, token)));
      const made = replies.filter(({ status }) => status === 201);
      expect(new Set(made.map(({ body }) => body.token)).size).toBe(1);
      // the token itself is refused once it has ended
      expect([201, 401, 409]).toEqual(expect.arrayContaining(replies.map(({ status }) => status)));
      expect(await liveNamed(`round ${round}`)).toEqual([made[0]?.body.id]);
    }
  });

  it('show the new token again only to the same credential, within 30 s', async () => {
    const { body: old } = await make({ name: 'once' });
    const { body: another } = await make({ name: 'another credential' });
    const { body: next } = await rotate(old.id, observer);
    expect(await rotate(old.id, another.token)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining(String(next.id)) as string },
    });
    // until main has it, its copy would overwrite the change below
    await eventually(async () => {
      await stack.runSchedule('sweep');
      expect(await stack.redisClient.exists(stack.keys.overlay(String(next.id)))).toBe(0);
    });
    const key = stack.keys.token(hashToken(String(next.token)));
    const longAgo = Math.floor(Date.now() / 1000) - 31;
    await stack.redisClient.hset(key, { created_at: String(longAgo) });
    expect((await rotate(old.id, observer)).status).toBe(409);
    expect((await start(next.token)).status).toBe(201);
  });

  it('do not restore a token that has ended since', async () => {
    const { body: old } = await make({ name: 'ended since' });
    const { body: next } = await rotate(old.id, observer);
    await revoke(next.id);
    expect((await rotate(old.id, observer)).status).toBe(409);
    expect((await start(next.token)).status).toBe(401);
  });
});

it('the grantable scopes are those of the credential', async () => {
  const { body } = await make({ name: 'narrow', scopes: ['read:*', 'manage:tokens'] });
  const { body: scopes } = await stack.api('/api/tokens/scopes', { token: String(body.token) });
  expect(scopes).toEqual(['read:observations', 'read:transfers', 'manage:tokens']);
});

it('an admin lists the tokens of any user', async () => {
  const { body } = await make({ name: 'of 601' });
  const seen = await stack.api('/api/tokens?owner=601', { token: stack.description.tokens.admin });
  expect(seen.body).toContainEqual(expect.objectContaining({ id: body.id, name: 'of 601' }));
  expect((await stack.api('/api/tokens?owner=601', { token: other })).status).toBe(403);
  expect((await stack.api('/api/tokens?owner=602', { token: other })).status).toBe(200);
  expect((await stack.api('/api/tokens?owner=x', { token: other })).status).toBe(400);
});

it('a user has a limited number of tokens, including ended ones', async () => {
  const { redisClient, keys } = stack;
  const many = await session('603', 'observer');
  const put = async (count: number, revoked: '0' | '1') => {
    const pipeline = redisClient.pipeline();
    for (let n = 0; n < count; n += 1) {
      const hash = `${revoked}${String(n).padStart(63, '0')}`;
      const fields = { principal: '603', name: 'n', role: 'observer', permissions: '', expires_at: '' };
      pipeline.hset(keys.token(hash), { ...fields, id: randomUUID(), revoked });
      pipeline.sadd(keys.tokensOf('603'), hash);
    }
    await pipeline.exec();
  };
  await put(99, '0');
  const atOnce = await Promise.all(Array.from({ length: 5 }, () => make({ name: 'hundredth' }, many)));
  expect(atOnce.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  expect(await make({ name: 'one more' }, many)).toMatchObject({
    status: 409,
    body: { code: 'too-many-tokens', detail: expect.stringContaining('100 tokens') as string },
  });
  await redisClient.del(keys.tokensOf('603'));
  await put(1000, '1');
  expect(await make({ name: 'another' }, many)).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('1000 tokens') as string },
  });
});

it('a revocation is not undone by a replica that lags behind', async () => {
  const { body } = await make({ name: 'behind' });
  await eventually(async () => {
    const { rowCount } = await stack.replica.query('select from api_token where id = $1', [body.id]);
    expect(rowCount).toBe(1);
  });
  await stack.replica.query('select pg_wal_replay_pause()');
  try {
    await revoke(body.id);
    await stack.runSchedule('sweep');
    expect((await start(body.token)).status).toBe(401);
  } finally {
    await stack.replica.query('select pg_wal_replay_resume()');
  }
});

it('the sweeper records a revocation that never reached main', async () => {
  const { body } = await make({ name: 'unrecorded' });
  await eventually(async () => {
    const { rowCount } = await stack.replica.query('select from api_token where id = $1', [body.id]);
    expect(rowCount).toBe(1);
    expect(await stack.redisClient.exists(stack.keys.overlay(String(body.id)))).toBe(0);
  });
  const hash = hashToken(String(body.token));
  await stack.redisClient.hset(stack.keys.token(hash), { revoked: '1' });
  await stack.runSchedule('sweep');
  // the instance that revoked it may still be sending
  const since = stack.keys.unrecordedSince(String(body.id));
  expect(await stack.redisClient.exists(since)).toBe(1);
  expect(await stack.redisClient.exists(stack.keys.overlay(String(body.id)))).toBe(0);
  await stack.redisClient.set(since, String(Date.now() - 121_000));
  await stack.runSchedule('sweep');
  await eventually(async () => expect((await rowOf(body.id))?.revoked_at).toBeInstanceOf(Date));
  const { rows } = await stack.main.query<{ detail: object }>(
    "select detail from audit_event where action = 'token.revoked' and subject = $1",
    [body.id],
  );
  expect(rows).toMatchObject([{ detail: { owner: '601', recorded_by: 'sweep' } }]);
});

it('tokens are created and revoked while the link is cut, and main records both later', async () => {
  stack.link.set({ up: false });
  const { body: kept } = await make({ name: 'created offline' });
  const { body: ended } = await make({ name: 'revoked offline' });
  expect((await revoke(ended.id, stack.description.tokens.admin)).status).toBe(200);
  expect([(await start(kept.token)).status, (await start(ended.token)).status]).toEqual([201, 401]);
  expect(await rowOf(kept.id)).toBeUndefined();
  stack.link.set({ up: true });
  await eventually(
    async () => {
      expect((await rowOf(kept.id))?.revoked_at).toBeNull();
      expect((await rowOf(ended.id))?.revoked_at).toBeInstanceOf(Date);
    },
    { timeoutMs: 30_000 },
  );
});

it('the sweeper reloads tokens that Redis has lost, and revoked ones stay revoked', async () => {
  const { body: good } = await make({ name: 'remembered' });
  const { body: bad } = await make({ name: 'revoked before' });
  await revoke(bad.id);
  await eventually(async () => {
    const { rows } = await stack.replica.query(
      'select id from api_token where id = any ($1) and (id = $2 or revoked_at is not null)',
      [[good.id, bad.id], good.id],
    );
    expect(rows).toHaveLength(2);
  });
  const { redisClient, keys } = stack;
  for (const { token } of [good, bad]) await redisClient.del(keys.token(hashToken(String(token))));
  await redisClient.del(keys.usersLoaded, keys.tokensOf('601'));
  expect((await stack.api('/auth/me', { token: String(good.token) })).status).toBe(503);
  await redisClient.set(keys.usersLoadedFirst, '0'); // copies would have been redelivered by now
  await stack.runSchedule('sweep');
  expect((await stack.api('/auth/me', { token: String(good.token) })).status).toBe(200);
  expect((await start(good.token)).status).toBe(201);
  expect((await start(bad.token)).status).toBe(401);
  expect((await list()).find(({ id }) => id === bad.id)).toMatchObject({ revoked: true });
});

it('a token creation appears in no list of units and on no channel', async () => {
  const { redisClient, keys } = stack;
  // wait until nothing is in flight
  await eventually(async () => {
    for (const key of [keys.pending, keys.inflight, keys.committed])
      expect(await redisClient.zcard(key)).toBe(0);
  });
  const before = (await stack.api('/executed_obs_units?limit=1000')).body as unknown as unknown[];
  stack.link.set({ up: false });
  const length = await redisClient.xlen(keys.feed('executed_obs_units'));
  await make({ name: 'unlisted' });
  expect(await redisClient.xlen(keys.feed('executed_obs_units'))).toBe(length);
  const after = (await stack.api('/executed_obs_units?limit=1000')).body as unknown as unknown[];
  expect(after).toHaveLength(before.length);
});
