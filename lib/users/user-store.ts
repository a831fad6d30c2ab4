/**
 * People as Redis has them: what may be done with their sessions and tokens, now. Main has them for good; what Redis has
 * forgotten is loaded from a replica. An older change never replaces a newer one.
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
  /** user id: decimal, GitHub's */
  principal: z.string(),
  login: z.string(),
  name: z.string(),
  role: z.enum(roles),
  /** `admin`: set by hand, and a login leaves it as it is */
  role_from: z.enum(['github', 'admin']),
  /** ISO 8601; '' = never */
  last_login_at: z.string(),
  created_at: z.string(),
};

export interface User extends z.infer<z.ZodMiniObject<typeof userFields>> {
  /** false: deactivated */
  readonly active: boolean;
  /** accept clock of the last change, µs */
  readonly stamp: number;
}

/** Of the row at main, the same wherever it is made. */
export function userRowId(principal: string): string {
  return derivedUuid('user', principal);
}

/** The step that brings main to what `user` says. */
export function putUserRow(builder: TransactionBuilder, user: User): void {
  const { last_login_at, ...rest } = user;
  builder.put('ops_user', userRowId(user.principal), {
    ...rest,
    last_login_at: last_login_at === '' ? null : last_login_at,
  });
}

const atOnce = 100;

/** As main has them, or a transaction on its way there: what is newer here stays. */
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

/** A user as a script writes it. */
export function withPermissions(user: User) {
  return { ...user, permissions: rolePermissions[user.role].join(' ') };
}

const stored = z.object({ ...userFields, active: z.enum(['0', '1']), stamp: z.string() });

export async function readUser(site: Site, principal: string): Promise<User | undefined> {
  return (await readUsers(site, [principal]))[0];
}

/** Everybody who has logged in, by id. @param after the last one of the page before */
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

/** Everybody who may manage users now. */
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

/** Brings what main knows of users to Redis. @returns how many there are */
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
