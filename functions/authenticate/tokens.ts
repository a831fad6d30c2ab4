/** API tokens: made, shown once, listed, renewed and revoked. Each change is a transaction, so that it works while main is away. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { mintApiToken } from '../../lib/auth/api-token.ts';
import type { AuthenticationParts } from '../../lib/auth/authenticate.ts';
import { claimantOf } from '../../lib/auth/claimant.ts';
import type { Principal } from '../../lib/auth/principal.ts';
import { inTime, newId, recordChange, type ChangeParts } from '../../lib/auth/record-change.ts';
import { expandScopes } from '../../lib/auth/scopes.ts';
import {
  findToken,
  listTokens,
  putToken,
  revokeToken,
  type StoredToken,
} from '../../lib/auth/token-store.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/serve.ts';

export const createBody = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(100)),
  /** permissions, `*` for any action or resource; default: all that the owner has */
  scopes: z._default(z.array(z.string().check(z.maxLength(100))).check(z.minLength(1), z.maxLength(50)), [
    '*',
  ]),
  /** default: it does not expire */
  expires_in_days: z.optional(z.int().check(z.minimum(1), z.maximum(3650))),
});

export type TokenParts = AuthenticationParts & ChangeParts;

/** Each has a rate of its own. */
const tokensPerUser = 100;

/** What anyone may see of a token: never more of its secret than the moment it is made. */
export function shown(token: StoredToken) {
  const { id, name, permissions, expiresAt, createdAt, revoked, uses, usedAt } = token;
  return {
    id,
    name,
    scopes: permissions,
    created_at: new Date(createdAt * 1000).toISOString(),
    expires_at: expiresAt === undefined ? null : new Date(expiresAt * 1000).toISOString(),
    revoked,
    uses,
    last_used_at: usedAt === undefined ? null : new Date(usedAt).toISOString(),
  };
}

/** @returns the token, which nobody will see again @throws ProblemError */
export async function createToken(
  parts: TokenParts,
  request: Request,
  owner: Principal,
  { name, scopes, expires_in_days: days }: z.infer<typeof createBody>,
  replaces?: string,
): Promise<{ readonly token: string; readonly stored: StoredToken }> {
  const scoped = expandScopes(scopes, owner.permissions);
  if ('unknown' in scoped) throw problem.badRequest(`scopes: there is no permission ${scoped.unknown}.`);
  if ('notHeld' in scoped) throw problem.forbidden(`You do not have ${scoped.notHeld} yourself.`);
  const theirs = await inTime(listTokens(parts.redis, parts.keys, owner.id));
  if (theirs.filter((each) => isLive(each, request.receivedAt)).length >= tokensPerUser) {
    throw problem.conflict(`You have ${tokensPerUser} tokens already: revoke one first.`);
  }
  const { token, hash } = mintApiToken(owner.id, randomBytes(64));
  const createdAt = Math.floor(request.receivedAt / 1000);
  const stored: StoredToken = {
    id: newId(request),
    principal: owner.id,
    name,
    role: owner.role,
    permissions: scoped.permissions,
    hash,
    createdAt,
    expiresAt: earliest(days === undefined ? undefined : createdAt + days * 24 * 3600, lifeOf(owner)),
    revoked: false,
    uses: 0,
    usedAt: undefined,
  };
  await recordChange(parts, request, {
    claimant: claimantOf(request, owner),
    action: replaces === undefined ? 'token.created' : 'token.rotated',
    subject: stored.id,
    detail: { name, scopes: scoped.permissions.join(' '), ...(replaces !== undefined && { replaces }) },
    aggregate: stored.id,
    build: (builder) =>
      builder.create(
        'api_token',
        {
          principal: owner.id,
          name,
          role: owner.role,
          permissions: scoped.permissions.join(' '),
          token_hash: hash,
          created_at: new Date(createdAt * 1000).toISOString(),
          expires_at: stored.expiresAt === undefined ? null : new Date(stored.expiresAt * 1000).toISOString(),
        },
        stored.id,
      ),
  });
  await inTime(putToken(parts.redis, parts.keys, stored));
  return { token, stored };
}

/** Takes effect at once, whatever main does. @throws ProblemError 404 for a token of somebody else, but to an admin */
export async function revoke(
  parts: TokenParts,
  request: Request,
  asker: Principal,
  id: string,
): Promise<StoredToken> {
  const stored = await inTime(findToken(parts.redis, parts.keys, id));
  const may = stored && (stored.principal === asker.id || asker.permissions.includes('manage:users'));
  if (!may) throw problem.notFound(`There is no token ${id} of yours.`);
  await inTime(revokeToken(parts.redis, parts.keys, stored.hash));
  await recordChange(parts, request, {
    claimant: claimantOf(request, asker),
    action: 'token.revoked',
    subject: id,
    detail: { name: stored.name, owner: stored.principal },
    aggregate: id,
    build: (builder) =>
      builder.update('api_token', id, { revoked_at: new Date(request.receivedAt).toISOString() }),
  });
  return { ...stored, revoked: true };
}

function isLive({ revoked, expiresAt }: StoredToken, nowMilliseconds: number): boolean {
  return !revoked && (expiresAt ?? Infinity) * 1000 > nowMilliseconds;
}

/** A token made with a token ends with it; one made by a person outlives the session. */
function lifeOf(owner: Principal): number | undefined {
  return owner.credential === 'api-token' ? owner.expiresAt : undefined;
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
