/** The limit of API tokens per user, under concurrent requests. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { releaseReservation, reserveToken } from '../../lib/tokens/token-limit.ts';
import { putToken, type StoredToken } from '../../lib/tokens/token-store.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let redis: TestRedis;
let site: Site;
const keys = keysOf('room');
beforeAll(async () => {
  redis = await startTestRedis();
  site = { redis: redis.client, keys };
});
afterAll(() => redis.stop());

const now = Date.UTC(2026, 10, 1);
const token = (principal: string, hash: string): StoredToken => ({
  id: randomUUID(),
  principal,
  name: 'n',
  role: 'observer',
  permissions: [],
  hash,
  expiresAt: undefined,
  createdAt: now / 1000,
  revoked: false,
  uses: 0,
  usedAt: undefined,
});
const put = async (principal: string, count: number) => {
  for (let n = 0; n < count; n += 1) await putToken(site, token(principal, `${principal} ${n}`));
};
const take = (principal: string, hash: string, nowMilliseconds = now, except: readonly string[] = []) =>
  reserveToken(site, principal, { hash, except, nowMilliseconds });

it('reserveToken gives the last place to one of several concurrent requests', async () => {
  await put('1', 99);
  const answers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((hash) => take('1', hash)));
  expect(answers.filter((reached) => reached === undefined)).toHaveLength(1);
  expect(answers.filter((reached) => reached !== undefined)).toEqual(
    Array(4).fill({ limit: 'live', most: 100 }),
  );
});

it('reserveToken reuses a place that was left, or not used within 30 s', async () => {
  await put('2', 99);
  expect(await take('2', 'a')).toBeUndefined();
  // a repeated request keeps its place
  expect(await take('2', 'a')).toBeUndefined();
  expect(await take('2', 'b')).toBeDefined();
  await releaseReservation(site, '2', 'a');
  expect(await take('2', 'b')).toBeUndefined();
  expect(await take('2', 'c', now + 30_001)).toBeUndefined();
});

it('reserveToken does not count the token to be replaced', async () => {
  const old = token('3', 'old');
  await put('3', 99);
  await putToken(site, old);
  expect(await take('3', 'a')).toEqual({ limit: 'live', most: 100 });
  expect(await take('3', 'a', now, [old.id])).toBeUndefined();
});
