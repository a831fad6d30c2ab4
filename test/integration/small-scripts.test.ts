/** The short Redis scripts, each by itself. Tests of the buffer's scripts: scripts and buffer-promises. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { republishDeferred } from '../../functions/broadcast/deferred.ts';
import { claim, release } from '../../lib/buffer/claim.ts';
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { quarantine } from '../../lib/buffer/quarantine.ts';
import { readCheckpoint, writeCheckpoint, type Checkpoint } from '../../lib/channels/checkpoint.ts';
import {
  changeSubscription,
  saveSubscriptions,
  readConnections,
  register,
} from '../../lib/sockets/connections.ts';
import { streams } from '../../lib/change-feed/streams.ts';
import { readBetween, readEnds, readFeed } from '../../lib/channels/read.ts';
import { acquireLease, isLeased } from '../../lib/change-feed/lease.ts';
import { checkSession, checkToken } from '../../lib/credentials/check-credential.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { takeTurnScript } from '../../lib/redis/generated/scripts.ts';
import { keysOf, type Keys } from '../../lib/redis/keys.ts';
import type { Site } from '../../lib/redis/site.ts';
import {
  mintRefreshToken,
  type RefreshToken,
  openSession,
  readSession,
  rotateSession,
} from '../../lib/sessions/session.ts';
import {
  findToken,
  listTokens,
  putToken,
  revokeToken,
  type StoredToken,
} from '../../lib/tokens/token-store.ts';
import { putUsers, readUser, type User } from '../../lib/users/user-store.ts';
import { start } from '../support/made-transactions.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

let redis: TestRedis;
let site: Site;
let keys: Keys;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  keys = keysOf(randomUUID());
  site = { redis: redis.client, keys };
});

// keys expire by the clock of Redis
const now = Math.floor(Date.now() / 1000) * 1000;
const session: Principal = {
  id: '7',
  name: 'Vera',
  role: 'observer',
  permissions: ['read:observations'],
  credential: 'session',
  sessionId: 's',
};
const someone: User = {
  principal: '7',
  login: 'vera',
  name: 'Vera',
  role: 'observer',
  role_from: 'github',
  active: true,
  last_login_at: '',
  created_at: '2026-10-01T00:00:00.000Z',
  stamp: 5,
};
const token: StoredToken = {
  id: randomUUID(),
  principal: '7',
  name: 'n',
  role: 'observer',
  permissions: ['read:observations'],
  hash: 'hash',
  expiresAt: now / 1000 + 60,
  createdAt: now / 1000,
  revoked: false,
  uses: 0,
  usedAt: undefined,
};

describe('the lease of the broadcaster', () => {
  it('has one holder and a rising fence', async () => {
    const first = await acquireLease(site);
    expect(await acquireLease(site)).toBeUndefined();
    await first?.release();
    expect((await acquireLease(site))?.fence).toBe((first?.fence ?? NaN) + 1);
  });

  it('expires, also after it was renewed', async () => {
    const lease = await acquireLease(site);
    expect(await redis.client.pttl(keys.broadcaster)).toBeGreaterThan(0);
    await redis.client.persist(keys.broadcaster);
    expect(await lease?.renew()).toBe(true);
    expect(await redis.client.pttl(keys.broadcaster)).toBeGreaterThan(0);
  });

  it('is neither renewed nor released by a holder that lost it', async () => {
    const lost = await acquireLease(site);
    await redis.client.del(keys.broadcaster);
    const held = await acquireLease(site);
    expect(await lost?.renew()).toBe(false);
    await lost?.release();
    expect(await isLeased(site)).toBe(true);
    expect(await held?.renew()).toBe(true);
    await held?.release();
    expect(await isLeased(site)).toBe(false);
  });
});

it('a checkpoint is not replaced by an earlier broadcaster', async () => {
  const positions = { observations: '1-0', transfer: '1-0', buffer: '1-0', connections: '1-0' };
  const at = (epoch: string): Checkpoint => ({ epoch, positions, isWhole: false, states: {} });
  await writeCheckpoint(site, 2, at('second'));
  await writeCheckpoint(site, 1, at('first'));
  expect(await readCheckpoint(site)).toEqual(at('second'));
  await writeCheckpoint(site, 2, at('second again'));
  expect(await readCheckpoint(site)).toEqual(at('second again'));
  await writeCheckpoint(site, 3, at('third'));
  expect(await readCheckpoint(site)).toEqual(at('third'));
});

it('saveSubscriptions changes neither a renewed nor an ended subscription', async () => {
  await register(site, { id: 'c', principal: session, connectedAt: Date.now() }, 10);
  const channels = ['executed_obs_units', 'buffer'];
  for (const channel of channels) await changeSubscription(site, 'c', { channel });
  const note = (channel: string, asked: number) =>
    saveSubscriptions(site, [{ id: 'c', channel, live: true, asked }]);
  const live = async () =>
    (await readConnections(site, ['c']))[0]?.subscriptions
      .map((each) => [each.channel, each.live] as const)
      .sort();
  await note('executed_obs_units', 1);
  await note('buffer', 1);
  await note('transfer.overview', 0);
  expect(await live()).toEqual([
    ['buffer', false],
    ['executed_obs_units', true],
  ]);
});

it('messages take turns in the order of receipt, skipping expired ones', async () => {
  const take = (id: string, at: number, dead = 0) =>
    takeTurnScript(redis.client, [keys.turns('c')], [id, dead, at, 5000]);
  expect(await take('later', 20)).toBe(1);
  expect(await take('earlier', 10)).toBe(1);
  expect(await take('later', 20)).toBe(0);
  // a message keeps its place
  expect(await take('earlier', 30)).toBe(1);
  expect(await take('later', 20, 11)).toBe(1);
});

it('release returns claimed transactions to pending, and no others', async () => {
  const [claimed, other] = [start(randomUUID()), start(randomUUID())];
  await restoreEntry(site, claimed, now);
  const request = { limit: 10, nowMilliseconds: now, leaseMilliseconds: 1000, always: false };
  expect((await claim(site, { ...request, copies: [claimed] })).copies).toEqual(['claimed']);
  expect(await redis.client.zcard(keys.pending)).toBe(0);
  await release(site, [claimed, other]);
  expect(await redis.client.zrange(keys.pending, 0, -1)).toHaveLength(1);
  expect(await redis.client.zcard(keys.inflight)).toBe(0);
});

it('quarantine removes a body only if it is the unreadable one', async () => {
  const transaction = start(randomUUID());
  await restoreEntry(site, transaction, now);
  await quarantine(site, { reference: transaction, text: 'another' }, 'cannot be read');
  expect(await redis.client.zcard(keys.pending)).toBe(1);
});

it('republishDeferred publishes each deferred change once', async () => {
  await redis.client.sadd(keys.deferred, 'record a', 'transaction b');
  expect(await republishDeferred(site)).toBe(false);
  await republishDeferred(site);
  const start = { observations: '0-0', transfer: '0-0', buffer: '0-0', connections: '0-0' };
  const { entries } = (await readFeed(site, start, 'epoch')).tails.observations;
  expect(entries.map((each) => [each.change, each.record ?? each.transaction]).sort()).toEqual([
    ['changed', 'a'],
    ['changed', 'b'],
  ]);
});

describe('the feed', () => {
  const start = { observations: '0-0', transfer: '0-0', buffer: '0-0', connections: '0-0' };

  it('is read after a position, between two positions and at its end', async () => {
    const positions: string[] = [];
    const feed = keys.feed(streams.observations.stream);
    for (const record of ['a', 'b', 'c', 'd'])
      positions.push(await redis.client.xadd(feed, '*', { change: 'changed', record }));
    const [, b = '', c = '', d = ''] = positions;
    const after = (await readFeed(site, { ...start, observations: b }, 'epoch')).tails.observations;
    expect(after).toMatchObject({ isBroken: false, position: d });
    expect(after.entries.map(({ record }) => record)).toEqual(['c', 'd']);
    const between = await readBetween(site, 'observations', { from: b, to: c, nowMilliseconds: now });
    expect(between?.map(({ record }) => record)).toEqual(['c']);
    expect((await readEnds(site, 'epoch')).positions.observations).toBe(d);
  });

  it('gets one mark as its position when it is empty', async () => {
    const { positions } = await readEnds(site, 'epoch');
    expect(positions.observations).not.toBe('0-0');
    const { observations } = (await readFeed(site, positions, 'epoch')).tails;
    expect(observations).toEqual({
      entries: [],
      isBroken: false,
      position: positions.observations,
      isTruncated: false,
    });
  });
});

describe('a session', () => {
  const owner = { principal: '7', endsAt: now / 1000 + 60, outageSeconds: 600 };
  const [a, b, c] = [1, 2, 3].map((n) => ({ ...mintRefreshToken(Buffer.alloc(32, n)), sessionId: 's' })) as [
    RefreshToken,
    RefreshToken,
    RefreshToken,
  ];
  const rotate = (presented: RefreshToken, following: typeof presented, at = now, isOutage = false) =>
    rotateSession(site, { presented, following }, { nowMilliseconds: at, isOutage, outageSeconds: 600 });

  it('continues with the next token, and ends when an older token is reused', async () => {
    await openSession(site, a, owner);
    expect(await rotate(a, b)).toMatchObject({ state: 'rotated', principal: '7' });
    // the client repeats a request whose answer was lost
    expect(await rotate(a, b, now + 1000)).toMatchObject({ state: 'rotated' });
    expect(await rotate(b, c, now + 2000)).toMatchObject({ state: 'rotated' });
    expect(await rotate(a, b, now + 3000)).toMatchObject({ state: 'reused' });
    expect(await rotate(c, a, now + 4000)).toEqual({ state: 'unknown' });
    await redis.client.set(keys.usersLoaded, '1');
    await expect(checkSession(site, session)).rejects.toThrow('has been revoked');
  });

  it('ends when the last replaced token is reused after the period for lost answers', async () => {
    await openSession(site, a, owner);
    expect(await rotate(a, b)).toMatchObject({ state: 'rotated' });
    expect(await rotate(a, b, now + 600_000)).toMatchObject({ state: 'reused' });
  });

  it('ends at its expiry, and in an outage later', async () => {
    await openSession(site, a, owner);
    expect(await rotate(a, b, now + 61_000)).toMatchObject({ state: 'over' });
    expect(await rotate(a, b, now + 61_000, true)).toMatchObject({
      state: 'rotated',
      extended: true,
      is_first: true,
    });
    expect(await rotate(b, c, now + 62_000, true)).toMatchObject({
      state: 'rotated',
      extended: true,
      is_first: false,
    });
    expect(await rotate(c, a, now + 661_000, true)).toMatchObject({ state: 'over' });
    expect(await readSession(site, 's')).toMatchObject({ extended: true });
  });
});

describe('a credential check', () => {
  it('uses the present state of the owner', async () => {
    await putUsers(site, [{ ...someone, active: false }]);
    await expect(checkSession(site, session)).rejects.toThrow('deactivated');
    await putToken(site, token);
    await expect(checkToken(site, { principalId: '7', hash: 'hash' }, now)).rejects.toThrow('deactivated');
  });

  it('does not answer "unknown" before all users are loaded', async () => {
    await expect(checkSession(site, session)).rejects.toThrow('cannot be checked');
    const claimed = { principalId: '7', hash: 'hash' };
    await expect(checkToken(site, claimed, now)).rejects.toThrow('cannot be checked');
    await redis.client.set(keys.usersLoaded, '1');
    expect(await checkSession(site, session)).toEqual(session);
    await expect(checkToken(site, claimed, now)).rejects.toThrow('unknown');
  });

  it('counts uses of a valid token', async () => {
    await putUsers(site, [someone]);
    await putToken(site, token);
    const use = (principalId: string, at: number) =>
      checkToken(site, { principalId, hash: 'hash' }, at).then(
        () => 'good',
        () => 'refused',
      );
    expect(await use('7', now)).toBe('good');
    expect(await use('8', now)).toBe('refused');
    expect(await use('7', now + 60_000)).toBe('refused');
    expect(await findToken(site, token.id)).toMatchObject({ uses: 1 });
    await revokeToken(site, token.id);
    expect(await use('7', now)).toBe('refused');
    expect(await findToken(site, token.id)).toMatchObject({ uses: 1 });
  });
});

describe('a token', () => {
  it('stays revoked and keeps its use count when an older row is loaded', async () => {
    await putToken(site, { ...token, uses: 5, usedAt: now });
    expect(await revokeToken(site, token.id)).toBe(true);
    expect(await putToken(site, { ...token, uses: 3, usedAt: now - 1 })).toBe(false);
    expect(await listTokens(site, '7')).toMatchObject([{ id: token.id, revoked: true, uses: 5 }]);
  });

  it('that Redis has lost is not created by its revocation', async () => {
    await putToken(site, token);
    await redis.client.del(keys.token('hash'));
    expect(await revokeToken(site, token.id)).toBe(false);
    expect(await redis.client.exists(keys.token('hash'))).toBe(0);
  });
});

describe('a user', () => {
  it('is replaced only by a newer row, and then completely', async () => {
    await putUsers(site, [someone]);
    await putUsers(site, [{ ...someone, role: 'admin', stamp: 4 }]);
    expect(await readUser(site, '7')).toEqual(someone);
    const newer = { ...someone, active: false, role: 'viewer', stamp: 6 } as const;
    await putUsers(site, [newer]);
    expect(await readUser(site, '7')).toEqual(newer);
    expect(await redis.client.smembers(keys.users)).toEqual(['7']);
  });
});
