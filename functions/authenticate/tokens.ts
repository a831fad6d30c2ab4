/** API tokens: made, shown once, listed, renewed and revoked. Each change is a transaction, so that it works while main is away. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { mintApiToken } from '../../lib/auth/api-token.ts';
import type { AuthenticationParts } from '../../lib/auth/authenticate.ts';
import { claimantOf } from '../../lib/auth/claimant.ts';
import { requirePeople } from '../../lib/auth/look-up.ts';
import { rolePermissions } from '../../lib/auth/permissions.ts';
import type { Principal } from '../../lib/auth/principal.ts';
import { doneBy, inTime, newId, recordChange, type ChangeParts } from '../../lib/auth/record-change.ts';
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
import { userId } from './users.ts';

export const createBody = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(100)),
  /** permissions, `*` for any action or resource; default: all that the owner has */
  scopes: z._default(z.array(z.string().check(z.maxLength(100))).check(z.minLength(1), z.maxLength(50)), [
    '*',
  ]),
  /** default: it does not expire */
  expires_in_days: z.optional(z.int().check(z.minimum(1), z.maximum(3650))),
});

export const tokensQuery = z.strictObject({
  /** a user id; default: who asks */
  owner: z.optional(userId),
});

export type TokenParts = AuthenticationParts & ChangeParts;

/** Each has a rate of its own. */
const tokensPerUser = 100;
/** Those that have ended are shown for a month: who makes and ends them without end has to wait. */
const shownPerUser = 1000;
const secondsPerDay = 24 * 3600;

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
  replaces?: StoredToken,
): Promise<{ readonly token: string; readonly stored: StoredToken }> {
  const scoped = expandScopes(scopes, owner.permissions);
  if ('unknown' in scoped) throw problem.badRequest(`scopes: there is no permission ${scoped.unknown}.`);
  if ('notHeld' in scoped) throw problem.forbidden(`You do not have ${scoped.notHeld} yourself.`);
  const theirs = await inTime(listTokens(parts.redis, parts.keys, owner.id));
  const staying = theirs.filter((each) => isLive(each, request.receivedAt) && each.id !== replaces?.id);
  if (staying.length >= tokensPerUser) {
    throw problem.conflict(`You have ${tokensPerUser} tokens already: revoke one first.`);
  }
  if (theirs.length >= shownPerUser) {
    throw problem.conflict(`${shownPerUser} tokens of yours have been made within a month: no more for now.`);
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
    expiresAt: earliest(days === undefined ? undefined : createdAt + days * secondsPerDay, lifeOf(owner)),
    revoked: false,
    uses: 0,
    usedAt: undefined,
  };
  await recordChange(parts, request, {
    ...doneBy(owner),
    claimant: claimantOf(request, owner),
    action: replaces === undefined ? 'token.created' : 'token.rotated',
    subject: stored.id,
    detail: { name, scopes: scoped.permissions.join(' '), ...(replaces && { replaces: replaces.id }) },
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

/**
 * A new token of the same name, scopes and length of life in the place of an old one of one's own, which ends; one that is asked
 * for with a token lives no longer than that. The new one is told whatever becomes of the old one, since nobody will see it again.
 * @throws ProblemError 404; 403 if the asking credential does not have all its scopes
 */
export async function rotateToken(
  parts: TokenParts,
  request: Request,
  owner: Principal,
  id: string,
): Promise<{ readonly token: string; readonly stored: StoredToken; readonly hasEnded: boolean }> {
  const old = await findOwn(parts, request, owner, id);
  const ofRole = old.permissions.filter((each) => rolePermissions[owner.role].some((own) => own === each));
  const scopes = ofRole.filter((each) => owner.permissions.some((own) => own === each));
  if (scopes.length < ofRole.length || scopes.length === 0) {
    throw problem.forbidden(
      'You do not have all of its scopes yourself, with the credential that you ask with.',
    );
  }
  const { name, expiresAt, createdAt } = old;
  const days = expiresAt && Math.max(1, Math.ceil((expiresAt - createdAt) / secondsPerDay));
  const made = await createToken(parts, request, owner, { name, scopes, expires_in_days: days }, old);
  const hasEnded = await end(parts, request, owner, old).then(
    () => true,
    () => false,
  );
  return { ...made, hasEnded };
}

async function findOwn(
  { redis, keys }: TokenParts,
  { receivedAt }: Request,
  owner: Principal,
  id: string,
): Promise<StoredToken> {
  const found = await inTime(findToken(redis, keys, id));
  if (found && found.principal === owner.id && isLive(found, receivedAt)) return found;
  if (!found) await requirePeople(redis, keys);
  throw problem.notFound(`There is no token ${id} of yours.`);
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
  if (!stored) await requirePeople(parts.redis, parts.keys);
  if (!may) throw problem.notFound(`There is no token ${id} of yours.`);
  return end(parts, request, asker, stored);
}

/** First here, then at main: a token may end itself. */
async function end(
  parts: TokenParts,
  request: Request,
  asker: Principal,
  stored: StoredToken,
): Promise<StoredToken> {
  const { id } = stored;
  await inTime(revokeToken(parts.redis, parts.keys, id));
  await recordChange(parts, request, {
    ...doneBy(asker),
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
