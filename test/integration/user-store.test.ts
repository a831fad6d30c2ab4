/** Users in Redis under concurrent changes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { updateUser } from '../../lib/users/update-user.ts';
import { listActiveAdmins, putUsers, readUser, type User } from '../../lib/users/user-store.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let redis: TestRedis;
let site: Site;
const keys = keysOf('users');
beforeAll(async () => {
  redis = await startTestRedis();
  site = { redis: redis.client, keys };
  await redis.client.set(keys.usersLoaded, '1');
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

it('updateUser keeps all concurrent changes of different fields', async () => {
  await updateUser(site, '7', () => someone);
  const change = (values: Partial<User>) =>
    updateUser(site, '7', (before) => before && { ...before, ...values, stamp: before.stamp + 1 });
  await Promise.all([change({ active: false }), change({ role: 'viewer' }), change({ name: 'Somebody' })]);
  expect(await readUser(site, '7')).toEqual({
    ...someone,
    active: false,
    role: 'viewer',
    name: 'Somebody',
    stamp: 4,
  });
});

it('updateUser changes nothing when the change returns undefined, and creates no user', async () => {
  expect(await updateUser(site, '7', () => undefined)).toMatchObject({
    user: { active: false },
  });
  expect(await updateUser(site, '8', (before) => before)).toEqual({
    user: undefined,
  });
  expect(await readUser(site, '8')).toBeUndefined();
});

it('updateUser creates no user before all users are loaded, since the user may be deactivated', async () => {
  await redis.client.del(keys.user('9'), keys.usersLoaded);
  const logIn = () => updateUser(site, '9', (before) => before ?? { ...someone, principal: '9' });
  expect(await logIn()).toEqual({ refused: 'users_missing' });
  await redis.client.set(keys.usersLoaded, '1');
  expect(await logIn()).toMatchObject({ user: { principal: '9' } });
});

describe('an active admin remains', () => {
  const admins = keysOf('admins');
  const admin = (principal: string): User => ({ ...someone, principal, role: 'admin' });
  const put = async (...users: User[]) => {
    await redis.client.del(admins.users, ...['1', '2', '3'].map(admins.user));
    await putUsers({ redis: redis.client, keys: admins }, users);
  };
  const change = (principal: string, values: Partial<User>, asker?: string) =>
    updateUser(
      { redis: redis.client, keys: admins },
      principal,
      (before) => before && { ...before, ...values, stamp: before.stamp + 1 },
      asker,
    );
  const remaining = async () =>
    (await listActiveAdmins({ redis: redis.client, keys: admins })).map(({ principal }) => principal);

  it('when two deactivate each other', async () => {
    for (let round = 0; round < 20; round += 1) {
      await put(admin('1'), admin('2'));
      const both = await Promise.all([
        change('1', { active: false }, '2'),
        change('2', { active: false }, '1'),
      ]);
      expect(both.filter((each) => 'refused' in each)).toEqual([{ refused: 'last_admin' }]);
      expect(await remaining()).toHaveLength(1);
    }
  });

  it('when three take each other’s role while their logins take their own', async () => {
    for (let round = 0; round < 20; round += 1) {
      await put(admin('1'), admin('2'), admin('3'));
      await Promise.all([
        change('2', { role: 'viewer' }, '1'),
        change('3', { active: false }, '2'),
        change('1', { role: 'observer' }, '3'),
        // by their logins
        change('1', { role: 'viewer' }),
        change('2', { role: 'viewer' }),
        change('3', { role: 'viewer' }),
      ]);
      expect((await remaining()).length).toBeGreaterThan(0);
    }
  });

  it('while a deactivated admin or a user who is not an admin can be changed', async () => {
    await put(admin('1'), { ...admin('2'), active: false }, { ...admin('3'), role: 'viewer' });
    expect(await change('2', { role: 'viewer' }, '1')).toMatchObject({ user: { role: 'viewer' } });
    expect(await change('3', { active: false }, '1')).toMatchObject({ user: { active: false } });
    expect(await change('1', { name: 'Another' })).toMatchObject({ user: { name: 'Another' } });
    expect(await change('1', { role: 'viewer' })).toEqual({ refused: 'last_admin' });
  });

  it('and an asker whose rights were taken meanwhile changes nothing', async () => {
    await put(admin('1'), { ...admin('2'), active: false }, { ...admin('3'), role: 'observer' });
    expect(await change('3', { role: 'viewer' }, '2')).toEqual({ refused: 'requester_deactivated' });
    expect(await change('2', { role: 'viewer' }, '3')).toEqual({ refused: 'requester_forbidden' });
  });
});
