/**
 * The users in Redis, against which every request is checked. Main stores them durably, and users that Redis has lost are loaded
 * from a replica. An older change never replaces a newer one.
 */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import { redisHash } from '../redis/hash.ts';
import { putUsersScript } from '../redis/generated/scripts.ts';
import type { TransactionBuilder } from '../transaction/builder.ts';
import { derivedUuid } from '../transaction/ids.ts';
import { rolePermissions, roles } from '../people/permissions.ts';
import type { Site } from '../redis/site.ts';

export const userFields = {
  /** user id of GitHub, decimal */
  principal: z.string(),
  login: z.string(),
  name: z.string(),
  role: z.enum(roles),
  /** `admin`: set by an admin, and not changed by a login */
  role_from: z.enum(['github', 'admin']),
  /** ISO 8601; '' if never */
  last_login_at: z.string(),
  created_at: z.string(),
};

export interface User extends z.infer<z.ZodMiniObject<typeof userFields>> {
  /** false if deactivated */
  readonly active: boolean;
  /** accept clock of the last change, µs */
  readonly stamp: number;
}

/** Id of the user's row at main, derived from the user id. */
export function userRowId(principal: string): string {
  return derivedUuid('user', principal);
}

/** Adds the step that writes `user` to main. */
export function putUserRow(builder: TransactionBuilder, user: User): void {
  const { last_login_at, ...rest } = user;
  builder.put('ops_user', userRowId(user.principal), {
    ...rest,
    last_login_at: last_login_at === '' ? null : last_login_at,
  });
}

const atOnce = 100;

/** Writes users from main, or from a transaction. Newer ones in Redis are kept. */
export async function putUsers({ redis, keys }: Site, users: readonly User[]): Promise<void> {
  for (let from = 0; from < users.length; from += atOnce) {
    const chunk = users.slice(from, from + atOnce);
    await putUsersScript(
      redis,
      [...chunk.map(({ principal }) => keys.user(principal)), keys.users],
      [JSON.stringify(chunk.map(withPermissions))],
    );
  }
}

/** A user as the scripts write it. */
export function withPermissions(user: User) {
  return { ...user, permissions: rolePermissions[user.role].join(' ') };
}

const stored = z.object({ ...userFields, active: z.enum(['0', '1']), stamp: z.string() });

export async function readUser(site: Site, principal: string): Promise<User | undefined> {
  return (await readUsers(site, [principal]))[0];
}

/** All users who have logged in, by id. @param after the last user of the previous page */
export async function listUsers(
  site: Site,
  limit: number,
  after = '0',
): Promise<{ readonly users: readonly User[]; readonly next?: string }> {
  const principals = z.array(z.string()).parse(await site.redis.smembers(site.keys.users));
  const later = principals.filter((id) => Number(id) > Number(after)).sort((a, b) => Number(a) - Number(b));
  const page = later.slice(0, limit);
  const next = page.at(-1);
  const users = await readUsers(site, page);
  return { users, ...(later.length > limit && next !== undefined && { next }) };
}

/** All users who may currently manage users. */
export async function listActiveAdmins(site: Site): Promise<readonly User[]> {
  const { users } = await listUsers(site, Infinity);
  return users.filter(isActiveAdmin);
}

export function isActiveAdmin(user: User | undefined): boolean {
  return user?.active === true && user.role === 'admin';
}

async function readUsers({ redis, keys }: Site, principals: readonly string[]): Promise<User[]> {
  if (principals.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const principal of principals) pipeline.hgetall(keys.user(principal));
  return z
    .array(redisHash)
    .parse(await pipeline.exec())
    .flatMap((hash) => {
      if (hash === null) return [];
      const { active, stamp, ...rest } = stored.parse(hash);
      return [{ ...rest, active: active === '1', stamp: Number(stamp) }];
    });
}

const row = z.object({ ...userFields, active: z.boolean(), stamp: z.pipe(z.string(), z.transform(Number)) });

/** Loads all users from a replica into Redis. @returns their number */
export async function loadUsers(site: Site, replica: Database): Promise<number> {
  const { rows } = await replica.query({
    name: 'users',
    text: `
      select principal, login, name, role, role_from, active, stamp::text, coalesce(to_json(last_login_at) #>> '{}', '')
        as last_login_at, to_json(created_at) #>> '{}' as created_at
      from ops_user`,
  });
  await putUsers(site, z.array(row).parse(rows));
  return rows.length;
}
