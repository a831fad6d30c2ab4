/** Users in Redis, changed by several at once. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readUser, updateUser, type User } from '../../lib/auth/user-store.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

let redis: TestRedis;
const keys = keysOf('users');
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

const someone: User = {
  principal: '7',
  login: 'someone',
  name: 'Someone',
  role: 'observer',
  role_from: 'github',
  active: true,
  last_login_at: '',
  created_at: '2026-10-01T00:00:00.000Z',
  stamp: 1,
};

it('what two change at the same time is both changed', async () => {
  await updateUser(redis.client, keys, '7', () => someone);
  const change = (values: Partial<User>) =>
    updateUser(
      redis.client,
      keys,
      '7',
      (before) => before && { ...before, ...values, stamp: before.stamp + 1 },
    );
  await Promise.all([change({ active: false }), change({ role: 'viewer' }), change({ name: 'Somebody' })]);
  expect(await readUser(redis.client, keys, '7')).toEqual({
    ...someone,
    active: false,
    role: 'viewer',
    name: 'Somebody',
    stamp: 4,
  });
});

it('who is to stay as they are is left alone, and nobody is made up', async () => {
  expect(await updateUser(redis.client, keys, '7', () => undefined)).toMatchObject({ active: false });
  expect(await updateUser(redis.client, keys, '8', (before) => before)).toBeUndefined();
  expect(await readUser(redis.client, keys, '8')).toBeUndefined();
});
