/**
 * The API tokens in Redis, against which every request is checked. Main stores them durably, and tokens that Redis has lost are
 * loaded from a replica. An older row never undoes a revocation in Redis.
 */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import { redisHash } from '../redis/hash.ts';
import { putTokensScript, revokeTokenScript } from '../redis/generated/scripts.ts';
import { roles, type Role } from '../people/permissions.ts';
import type { Site } from '../redis/site.ts';

export interface StoredToken {
  readonly id: string;
  /** user id of its owner */
  readonly principal: string;
  readonly name: string;
  readonly role: Role;
  readonly permissions: readonly string[];
  /** SHA-256, hex */
  readonly hash: string;
  /** unix seconds; undefined if it does not expire */
  readonly expiresAt: number | undefined;
  readonly createdAt: number;
  readonly revoked: boolean;
  /** requests that it has authenticated */
  readonly uses: number;
  /** epoch ms */
  readonly usedAt: number | undefined;
}

/** Revoked and expired tokens are listed for this time. */
const endedSeconds = 30 * 24 * 3600;

const hadAnswer = z.array(z.tuple([z.number(), z.string(), z.boolean()]));
const atOnce = 100;

/**
 * @param tokens new ones, or loaded from main. The hash of a token expires only if main has recorded its end: otherwise loading
 * the row again would undo a revocation.
 * @returns for each token the values that Redis had: uses, last use, and whether it was revoked
 */
async function putTokens({ redis, keys }: Site, tokens: readonly (StoredToken & Ended)[]) {
  const had: z.infer<typeof hadAnswer> = [];
  for (let from = 0; from < tokens.length; from += atOnce) {
    const chunk = tokens.slice(from, from + atOnce);
    const answer = await putTokensScript(
      redis,
      chunk.flatMap(({ hash, principal, id }) => [
        keys.token(hash),
        keys.tokensOf(principal),
        keys.tokenById(id),
      ]),
      [JSON.stringify(chunk.map(hashOf))],
    );
    had.push(...hadAnswer.parse(JSON.parse(z.string().parse(answer))));
  }
  return had;
}

interface Ended {
  /** unix seconds of the revocation at main */
  readonly revokedAt?: number | undefined;
}

function hashOf(token: StoredToken & Ended) {
  const end = Math.min(token.expiresAt ?? Infinity, token.revokedAt ?? Infinity);
  return {
    ...token,
    permissions: token.permissions.join(' '),
    expires_at: token.expiresAt === undefined ? '' : String(token.expiresAt),
    created_at: String(token.createdAt),
    used_at: String(token.usedAt ?? ''),
    ...(end < Infinity && { kept_until: end + endedSeconds }),
  };
}

/** Takes effect with the next request. @returns false if the token had been revoked before, which it remains */
export async function putToken(site: Site, token: StoredToken): Promise<boolean> {
  const [had] = await putTokens(site, [token]);
  return had?.[2] !== true;
}

/** Takes effect with the next request. @returns false if Redis does not have the token */
export async function revokeToken({ redis, keys }: Site, id: string): Promise<boolean> {
  const hash = z.nullable(z.string()).parse(await redis.get(keys.tokenById(id)));
  return hash !== null && (await revokeTokenScript(redis, [keys.token(hash)], [])) === 1;
}

/** Required fields in the hash of an API token. */
export const tokenFields = {
  id: z.string(),
  principal: z.string(),
  name: z.string(),
  role: z.enum(roles),
  /** separated by spaces */
  permissions: z.string(),
  /** unix seconds; '' if it does not expire */
  expires_at: z.string(),
  revoked: z.string(),
};

const record = z.object({
  ...tokenFields,
  created_at: z._default(z.string(), '0'),
  uses: z._default(z.string(), '0'),
  used_at: z._default(z.string(), ''),
});

export async function findToken(site: Site, id: string): Promise<StoredToken | undefined> {
  const hash = z.nullable(z.string()).parse(await site.redis.get(site.keys.tokenById(id)));
  return hash === null ? undefined : (await readTokens(site, [hash]))[0];
}

/** The tokens of an owner, newest first, including those that ended within a month. */
export async function listTokens(site: Site, principal: string): Promise<StoredToken[]> {
  const ofOwner = site.keys.tokensOf(principal);
  const hashes = z.array(z.string()).parse(await site.redis.smembers(ofOwner));
  const tokens = await readTokens(site, hashes);
  const found = new Set(tokens.map(({ hash }) => hash));
  const expired = hashes.filter((hash) => !found.has(hash));
  if (expired.length > 0) await site.redis.srem(ofOwner, ...expired);
  return tokens.sort((a, b) => b.createdAt - a.createdAt);
}

async function readTokens({ redis, keys }: Site, hashes: readonly string[]): Promise<StoredToken[]> {
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
  revoked_at: z.nullable(z.number()),
  uses: z.number(),
  used_at: z.nullable(z.number()),
});

/** A token from main, with the current values in Redis. */
export interface KnownToken extends StoredToken {
  readonly now: Pick<StoredToken, 'uses' | 'usedAt' | 'revoked'>;
}

/** Loads the tokens of a replica into Redis. */
export async function loadTokens(site: Site, replica: Database): Promise<KnownToken[]> {
  const { rows } = await replica.query({
    name: 'api-tokens',
    text: `
      select id, principal, name, role, permissions, token_hash, extract(epoch from expires_at)::float as expires_at,
        extract(epoch from created_at)::float as created_at, extract(epoch from revoked_at)::float as revoked_at,
        usage_count::float as uses, extract(epoch from last_used_at)::float * 1000 as used_at
      from api_token
      where coalesce(least(expires_at, revoked_at), 'infinity') > now() - make_interval(secs => $1)`,
    values: [endedSeconds],
  });
  const tokens = z.array(row).parse(rows).map(readRow);
  const had = await putTokens(site, tokens);
  return tokens.map((token, index) => {
    const [uses, usedAt, revoked] = had[index] ?? [0, '', false];
    return { ...token, now: { uses, usedAt: usedAt === '' ? undefined : Number(usedAt), revoked } };
  });
}

function readRow(each: z.infer<typeof row>): StoredToken & Ended {
  const { id, principal, name, role, uses } = each;
  return {
    id,
    principal,
    name,
    role,
    uses,
    permissions: each.permissions.split(' '),
    hash: each.token_hash,
    expiresAt: seconds(each.expires_at),
    createdAt: Math.floor(each.created_at),
    revoked: each.revoked_at !== null,
    revokedAt: seconds(each.revoked_at),
    usedAt: each.used_at === null ? undefined : Math.round(each.used_at),
  };
}

function seconds(time: number | null): number | undefined {
  return time === null ? undefined : Math.floor(time);
}
