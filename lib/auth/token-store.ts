/**
 * API tokens as Redis has them: what every request is checked against. Main has them for good; what Redis has forgotten is
 * loaded from a replica. A revocation that is known here is never undone by an older row.
 */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import type { Redis } from '../redis/client.ts';
import { redisHash } from '../redis/hash.ts';
import type { Keys } from '../redis/keys.ts';
import { script } from '../redis/script.ts';
import { roles, type Role } from './permissions.ts';

export interface StoredToken {
  readonly id: string;
  /** user id of its owner */
  readonly principal: string;
  readonly name: string;
  readonly role: Role;
  readonly permissions: readonly string[];
  /** SHA-256, hex */
  readonly hash: string;
  /** unix seconds; undefined: it does not expire */
  readonly expiresAt: number | undefined;
  readonly createdAt: number;
  readonly revoked: boolean;
  /** requests that it has authenticated */
  readonly uses: number;
  /** epoch ms */
  readonly usedAt: number | undefined;
}

const putScript = script(`
local token, of_owner, by_id = unpack(KEYS)
local a = cjson.decode(ARGV[1])
local revoked = redis.call('HGET', token, 'revoked') == '1' or a.revoked
redis.call('HSET', token, 'id', a.id, 'principal', a.principal, 'name', a.name, 'role', a.role, 'permissions', a.permissions,
  'expires_at', a.expires_at, 'created_at', a.created_at, 'revoked', revoked and '1' or '0')
-- what is counted here is newer than what main was told
if tonumber(redis.call('HGET', token, 'uses') or 0) < a.uses then
  redis.call('HSET', token, 'uses', a.uses, 'used_at', a.used_at)
end
redis.call('SADD', of_owner, a.hash)
redis.call('SET', by_id, a.hash)
return 1
`);

export async function putToken(redis: Redis, keys: Keys, token: StoredToken): Promise<void> {
  await putScript(
    redis,
    [keys.token(token.hash), keys.tokensOf(token.principal), keys.tokenById(token.id)],
    [
      JSON.stringify({
        ...token,
        permissions: token.permissions.join(' '),
        expires_at: token.expiresAt === undefined ? '' : String(token.expiresAt),
        created_at: String(token.createdAt),
        used_at: String(token.usedAt ?? ''),
      }),
    ],
  );
}

/** Takes effect with the next request. */
export async function revokeToken(redis: Redis, keys: Keys, hash: string): Promise<void> {
  await redis.hset(keys.token(hash), { revoked: '1' });
}

/** What makes an API token one, in its hash. */
export const tokenFields = {
  id: z.string(),
  principal: z.string(),
  name: z.string(),
  role: z.enum(roles),
  /** separated by spaces */
  permissions: z.string(),
  /** unix seconds; '' = it does not expire */
  expires_at: z.string(),
  revoked: z.string(),
};

const record = z.object({
  ...tokenFields,
  created_at: z._default(z.string(), '0'),
  uses: z._default(z.string(), '0'),
  used_at: z._default(z.string(), ''),
});

export async function findToken(redis: Redis, keys: Keys, id: string): Promise<StoredToken | undefined> {
  const hash = z.nullable(z.string()).parse(await redis.get(keys.tokenById(id)));
  return hash === null ? undefined : (await readTokens(redis, keys, [hash]))[0];
}

/** Those of one owner, the newest first. */
export async function listTokens(redis: Redis, keys: Keys, principal: string): Promise<StoredToken[]> {
  const hashes = z.array(z.string()).parse(await redis.smembers(keys.tokensOf(principal)));
  return (await readTokens(redis, keys, hashes)).sort((a, b) => b.createdAt - a.createdAt);
}

async function readTokens(redis: Redis, keys: Keys, hashes: readonly string[]): Promise<StoredToken[]> {
  if (hashes.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const hash of hashes) pipeline.hgetall(keys.token(hash));
  const found = z.array(redisHash).parse(await pipeline.exec());
  return found.flatMap((each, index) => {
    if (each === null) return [];
    const { permissions, expires_at, created_at, revoked, uses, used_at, ...rest } = record.parse(each);
    return {
      ...rest,
      permissions: permissions.split(' ').filter(Boolean),
      hash: hashes[index] ?? '',
      expiresAt: expires_at === '' ? undefined : Number(expires_at),
      createdAt: Number(created_at),
      revoked: revoked === '1',
      uses: Number(uses),
      usedAt: used_at === '' ? undefined : Number(used_at),
    };
  });
}

const row = z.object({
  id: z.string(),
  principal: z.string(),
  name: z.string(),
  role: z.enum(roles),
  permissions: z.string(),
  token_hash: z.string(),
  expires_at: z.nullable(z.number()),
  created_at: z.number(),
  is_revoked: z.boolean(),
  uses: z.number(),
  used_at: z.nullable(z.number()),
});

/** Brings what main knows of tokens to Redis. @returns those that have been used since main was told last */
export async function loadTokens(redis: Redis, keys: Keys, replica: Database): Promise<StoredToken[]> {
  const { rows } = await replica.query({
    name: 'api-tokens',
    text: `
      select id, principal, name, role, permissions, token_hash, extract(epoch from expires_at)::float as expires_at,
        extract(epoch from created_at)::float as created_at, revoked_at is not null as is_revoked,
        usage_count::float as uses, extract(epoch from last_used_at)::float * 1000 as used_at
      from api_token`,
  });
  const known = z.array(row).parse(rows);
  for (const each of known) {
    await putToken(redis, keys, {
      id: each.id,
      principal: each.principal,
      name: each.name,
      role: each.role,
      permissions: each.permissions.split(' '),
      hash: each.token_hash,
      expiresAt: each.expires_at === null ? undefined : Math.floor(each.expires_at),
      createdAt: Math.floor(each.created_at),
      revoked: each.is_revoked,
      uses: each.uses,
      usedAt: each.used_at === null ? undefined : Math.round(each.used_at),
    });
  }
  await redis.set(keys.tokensLoaded, '1');
  const now = await readTokens(
    redis,
    keys,
    known.map(({ token_hash }) => token_hash),
  );
  const told = new Map(known.map(({ id, uses }) => [id, uses]));
  return now.filter(({ id, uses }) => uses > (told.get(id) ?? 0));
}
