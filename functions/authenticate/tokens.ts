/** Creates, lists and revokes API tokens. Each change is a transaction, so that it works while main is unreachable. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { mintApiToken } from '../../lib/credentials/api-token.ts';
import type { AuthenticationParts } from '../../lib/credentials/authenticate.ts';
import { claimantOf } from '../../lib/credentials/claimant-of.ts';
import { requireUsersLoaded } from '../../lib/credentials/check-credential.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { doneBy, inTime, newId, recordChange, type ChangeParts } from '../../lib/audit/record-change.ts';
import { releaseReservation, reserveToken } from '../../lib/tokens/token-limit.ts';
import { expandScopes } from '../../lib/people/scopes.ts';
import type { TokenRequest } from '../../lib/tokens/operations.ts';
import { findToken, putToken, revokeToken, type StoredToken } from '../../lib/tokens/token-store.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/request.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';

export type TokenParts = AuthenticationParts & ChangeParts;

export const secondsPerDay = 24 * 3600;

/** A token without its secret, which is shown only on creation. */
export function publicToken(token: StoredToken) {
  const { id, name, permissions, expiresAt, createdAt, revoked, uses, usedAt } = token;
  return {
    id,
    name,
    scopes: permissions,
    created_at: instantOfMilliseconds(createdAt * 1000),
    expires_at: expiresAt === undefined ? null : instantOfMilliseconds(expiresAt * 1000),
    revoked,
    uses,
    last_used_at: usedAt === undefined ? null : instantOfMilliseconds(usedAt),
  };
}

/** @returns the token with its secret, which cannot be read again @throws ProblemError */
export async function createToken(
  parts: TokenParts,
  request: Request,
  owner: Principal,
  wanted: TokenRequest,
): Promise<MadeToken> {
  const minted = mintApiToken(owner.id, randomBytes(64));
  return makeToken(parts, request, owner, wanted, { ...minted, id: newId(request) });
}

interface MintedToken {
  readonly token: string;
  readonly hash: string;
  readonly id: string;
  readonly replaces?: StoredToken;
}

export interface MadeToken {
  readonly token: string;
  readonly stored: StoredToken;
}

const remembered = z.object({
  hash: z.string(),
  created_at: z.int(),
  expires_at: z.nullable(z.int()),
  /** id of the requesting credential: only that one gets the token again */
  asked_with: z.string(),
});

/**
 * @param minted `replaces`: the token that it replaces, once, even if the request is repeated
 * @throws ProblemError
 */
export async function makeToken(
  parts: TokenParts,
  request: Request,
  owner: Principal,
  { name, scopes, expires_in_days: days }: TokenRequest,
  minted: MintedToken,
): Promise<MadeToken> {
  const { hash, id, replaces } = minted;
  const scoped = expandScopes(scopes, owner.permissions);
  if ('unknown' in scoped) throw problem.badRequest(`scopes: ${scoped.unknown} is not a permission.`);
  if ('notHeld' in scoped)
    throw problem.forbidden(`You do not have the permission ${scoped.notHeld} yourself.`);
  const except = replaces === undefined ? [] : [id, replaces.id];
  await reserve(parts, request, owner, { hash, except });
  try {
    const expiresAt = days === undefined ? undefined : seconds(request) + days * secondsPerDay;
    const fields = {
      name,
      permissions: scoped.permissions,
      expiresAt: earliest(expiresAt, latestExpiryFor(owner)),
    };
    return await recordToken(parts, request, owner, fields, minted);
  } finally {
    // if this fails, the reservation expires
    await releaseReservation(parts, owner.id, hash).catch(() => undefined);
  }
}

async function recordToken(
  parts: TokenParts,
  request: Request,
  owner: Principal,
  { name, permissions, expiresAt }: Pick<StoredToken, 'name' | 'permissions' | 'expiresAt'>,
  { token, hash, id, replaces }: MintedToken,
): Promise<MadeToken> {
  const createdAt = seconds(request);
  const askedWith = owner.tokenId ?? owner.sessionId ?? '';
  const first = await recordChange(parts, request, {
    ...doneBy(owner),
    claimant: claimantOf(request, owner),
    action: replaces === undefined ? 'token.created' : 'token.rotated',
    subject: id,
    detail: { name, scopes: permissions.join(' '), ...(replaces && { replaces: replaces.id }) },
    aggregate: id,
    once: {
      id: derivedUuid('make token', id),
      remembered: JSON.stringify({
        hash,
        created_at: createdAt,
        expires_at: expiresAt ?? null,
        asked_with: askedWith,
      }),
    },
    build: (builder) =>
      builder.create(
        'api_token',
        {
          principal: owner.id,
          name,
          role: owner.role,
          permissions: permissions.join(' '),
          token_hash: hash,
          created_at: new Date(createdAt * 1000).toISOString(),
          expires_at: expiresAt === undefined ? null : new Date(expiresAt * 1000).toISOString(),
        },
        id,
      ),
  });
  const made = remembered.parse(JSON.parse(first));
  const stored: StoredToken = {
    id,
    principal: owner.id,
    name,
    role: owner.role,
    permissions,
    hash: made.hash,
    createdAt: made.created_at,
    expiresAt: made.expires_at ?? undefined,
    revoked: false,
    uses: 0,
    usedAt: undefined,
  };
  // another credential may have requested it first, or with another signing key
  const isSame = made.asked_with === askedWith && made.hash === hash;
  // the token may have been revoked since
  if (!isSame || !(await inTime(putToken(parts, stored)))) throw replaced(replaces?.id, id);
  return { token, stored };
}

export function replaced(id: string | undefined, by: string) {
  return problem.conflict(`Token ${id} has already been replaced by token ${by}. Nothing was changed.`, {
    code: 'token-replaced',
  });
}

/** Reserves one of the owner's tokens. @throws ProblemError 409 at the limit */
async function reserve(
  parts: TokenParts,
  { receivedAt: nowMilliseconds }: Request,
  owner: Principal,
  token: { readonly hash: string; readonly except: readonly string[] },
): Promise<void> {
  const reached = await inTime(reserveToken(parts, owner.id, { ...token, nowMilliseconds }));
  if (!reached) return;
  const { limit, most } = reached;
  throw problem.conflict(
    limit === 'live'
      ? `You already have ${most} tokens. Revoke one first.`
      : `You have created ${most} tokens within a month, the most that is allowed. Try again later.`,
    { code: 'too-many-tokens' },
  );
}

/** Takes effect immediately, even while main is unreachable. @throws ProblemError 404 for another user's token, except for admins */
export async function revoke(
  parts: TokenParts,
  request: Request,
  requester: Principal,
  id: string,
): Promise<StoredToken> {
  const stored = await inTime(findToken(parts, id));
  const may = stored && (stored.principal === requester.id || requester.permissions.includes('manage:users'));
  if (!stored) await requireUsersLoaded(parts);
  if (!may) throw problem.notFound(`You have no token with the id ${id}.`);
  return end(parts, request, requester, stored);
}

/** Revokes the token in Redis, then at main. The token may be the credential of the request. */
export async function end(
  parts: TokenParts,
  request: Request,
  requester: Principal,
  stored: StoredToken,
): Promise<StoredToken> {
  const { id } = stored;
  await inTime(revokeToken(parts, id));
  await recordChange(parts, request, {
    ...doneBy(requester),
    action: 'token.revoked',
    subject: id,
    detail: { name: stored.name, owner: stored.principal },
    aggregate: id,
    once: { id: derivedUuid('revocation', id), remembered: '{}' },
    build: (builder) =>
      builder.update('api_token', id, { revoked_at: new Date(request.receivedAt).toISOString() }),
  });
  return { ...stored, revoked: true };
}

/** A token created with a token expires with it. One created in a session outlives the session. */
function latestExpiryFor(owner: Principal): number | undefined {
  return owner.credential === 'api-token' ? owner.expiresAt : undefined;
}

function seconds({ receivedAt }: Request): number {
  return Math.floor(receivedAt / 1000);
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
