import { expect, it } from 'vitest';
import { publicUser } from '../../functions/authenticate/users.ts';
import type { User } from '../../lib/users/user-store.ts';

const user: User = {
  principal: '7',
  login: 'ada',
  name: 'Ada',
  role: 'admin',
  role_from: 'github',
  active: true,
  stamp: 1,
  created_at: '2026-10-01T00:00:00.12Z',
  last_login_at: '2026-10-01T00:00:00.12Z',
};

it('publicUser is the same for users stored at a login and users loaded from a replica', () => {
  const restored = {
    created_at: '2026-10-01T00:00:00.12+00:00',
    last_login_at: '2026-10-01T00:00:00.12+00:00',
  };
  expect(publicUser(user)).toMatchObject({ id: '7', last_login_at: '2026-10-01T00:00:00.120000Z' });
  expect(publicUser({ ...user, ...restored })).toEqual(publicUser(user));
  expect(publicUser({ ...user, last_login_at: '' })).toMatchObject({ last_login_at: null });
});
