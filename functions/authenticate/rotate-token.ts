/**
 * A new token in the place of an old one, once. Its id and its secret follow from the old one: the credential that asks at the same
 * time, or again because the answer was lost, gets the same one, every other credential a 409.
 */
import { createHmac } from 'node:crypto';
import { mintApiToken } from '../../lib/credentials/api-token.ts';
import { requirePeople } from '../../lib/credentials/check-credential.ts';
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
  /** nobody else has it: tokens follow from it */
  readonly rotationKey: Uint8Array;
}

/** Counted from the second in which it was made. */
const repeatMilliseconds = 30_000;

/**
 * A new token of the same name, scopes and length of life in the place of an old one of one's own, which ends; one that is asked
 * for with a token lives no longer than that. The new one is told whatever becomes of the old one, since nobody will see it again.
 * @throws ProblemError 404; 403 if the asking credential does not have all its scopes; 409 if it was replaced before
 */
export async function rotateToken(
  parts: RotationParts,
  request: Request,
  owner: Principal,
  id: string,
): Promise<MadeToken & { readonly hasEnded: boolean }> {
  const old = await findOwn(parts, owner, id);
  const next = followerOf(old, parts.rotationKey);
  const isOpen = isLive(old, request.receivedAt);
  if (!isOpen) await requireJustReplaced(parts, request, old, next.id);
  const scopes = requireScopes(old, owner);
  const { name, expiresAt, createdAt } = old;
  const days = expiresAt && Math.max(1, Math.ceil((expiresAt - createdAt) / secondsPerDay));
  const asked = { name, scopes, expires_in_days: days };
  const made = await makeToken(parts, request, owner, asked, { ...next, replaces: old }).catch(
    async (error: unknown) => {
      // what asks may be the old one, and somebody else has just replaced it
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
  if (!found) await requirePeople(parts);
  throw noTokenOfYours(id);
}

/** A lost answer may be asked for again. @throws ProblemError 404 for a token that has ended by itself, 409 for one that was replaced long ago */
async function requireJustReplaced(
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

/** @returns what the new one may do @throws ProblemError 403 */
function requireScopes({ permissions }: StoredToken, owner: Principal): string[] {
  const ofRole = permissions.filter((each) => rolePermissions[owner.role].some((own) => own === each));
  const scopes = ofRole.filter((each) => owner.permissions.some((own) => own === each));
  if (scopes.length === ofRole.length && scopes.length > 0) return scopes;
  throw problem.forbidden('The credential of this request does not have all scopes of the token.');
}

function followerOf({ id, principal, hash }: StoredToken, key: Uint8Array) {
  const bytes = createHmac('sha512', key).update(hash).digest();
  return { ...mintApiToken(principal, bytes), id: derivedUuid('rotation', id) };
}
