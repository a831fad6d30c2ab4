/**
 * Replaces a token once. The id and secret of the new token are derived from the old one. So concurrent or repeated requests with the
 * same credential get the same token, and requests with another credential get 409.
 */
import { createHmac } from 'node:crypto';
import { mintApiToken } from '../../lib/credentials/api-token.ts';
import { requireUsersLoaded } from '../../lib/credentials/check-credential.ts';
import { rolePermissions } from '../../lib/people/permissions.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { inTime } from '../../lib/audit/record-change.ts';
import { isLive } from '../../lib/tokens/token-limit.ts';
import { findToken, type StoredToken } from '../../lib/tokens/token-store.ts';
import { problem, ProblemError } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/request.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import { end, makeToken, replaced, secondsPerDay, type MadeToken, type TokenParts } from './tokens.ts';

export interface RotationParts extends TokenParts {
  /** secret from which new tokens are derived */
  readonly rotationKey: Uint8Array;
}

/** Time in which a rotation may be repeated, counted from the second of the new token's creation. */
const repeatMilliseconds = 30_000;

/**
 * Replaces a token of the owner by a new one with the same name, scopes and lifetime. If the request uses a token, the new one does
 * not expire later than that. The answer contains the new token even if revoking the old one fails, since it is shown only once.
 * @throws ProblemError 404; 403 if the credential of the request does not have all scopes of the token; 409 if it was replaced before
 */
export async function rotateToken(
  parts: RotationParts,
  request: Request,
  owner: Principal,
  id: string,
): Promise<MadeToken & { readonly hasEnded: boolean }> {
  const old = await findOwn(parts, owner, id);
  const next = successorOf(old, parts.rotationKey);
  const isOpen = isLive(old, request.receivedAt);
  if (!isOpen) await requireRecentRotation(parts, request, old, next.id);
  const scopes = requireScopes(old, owner);
  const { name, expiresAt, createdAt } = old;
  const days = expiresAt && Math.max(1, Math.ceil((expiresAt - createdAt) / secondsPerDay));
  const wanted = { name, scopes, expires_in_days: days };
  const made = await makeToken(parts, request, owner, wanted, { ...next, replaces: old }).catch(
    async (error: unknown) => {
      // the request may use the old token, which a concurrent request has just replaced
      const isEnded = error instanceof ProblemError && error.problem.status === 401;
      if (isEnded && (await inTime(findToken(parts, next.id)))) throw replaced(id, next.id);
      throw error;
    },
  );
  if (!isOpen) return { ...made, hasEnded: true };
  const hasEnded = await end(parts, request, owner, old).then(
    () => true,
    () => false,
  );
  return { ...made, hasEnded };
}

/** @throws ProblemError 404 */
async function findOwn(parts: TokenParts, owner: Principal, id: string): Promise<StoredToken> {
  const found = await inTime(findToken(parts, id));
  if (found?.principal === owner.id) return found;
  if (!found) await requireUsersLoaded(parts);
  throw noTokenOfYours(id);
}

/** Allows a repeat after a lost answer. @throws ProblemError 404 if the token was not rotated, 409 if it was rotated too long ago */
async function requireRecentRotation(
  parts: TokenParts,
  { receivedAt }: Request,
  old: StoredToken,
  nextId: string,
): Promise<void> {
  const next = await inTime(findToken(parts, nextId));
  if (!next) throw noTokenOfYours(old.id);
  if (receivedAt - next.createdAt * 1000 >= repeatMilliseconds) throw replaced(old.id, nextId);
}

function noTokenOfYours(id: string) {
  return problem.notFound(`You have no token with the id ${id}.`);
}

/** @returns the scopes of the new token @throws ProblemError 403 */
function requireScopes({ permissions }: StoredToken, owner: Principal): string[] {
  const ofRole = permissions.filter((each) => rolePermissions[owner.role].some((own) => own === each));
  const scopes = ofRole.filter((each) => owner.permissions.some((own) => own === each));
  if (scopes.length === ofRole.length && scopes.length > 0) return scopes;
  throw problem.forbidden('The credential of this request does not have all scopes of the token.');
}

function successorOf({ id, principal, hash }: StoredToken, key: Uint8Array) {
  const bytes = createHmac('sha512', key).update(hash).digest();
  return { ...mintApiToken(principal, bytes), id: derivedUuid('rotation', id) };
}
