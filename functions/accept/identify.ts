import { createHash } from 'node:crypto';
import type { VerifyAccessToken } from '../../lib/credentials/access-token.ts';
import { requireAccess } from '../../lib/credentials/require-access.ts';
import { readCredential } from '../../lib/credentials/credential.ts';
import type { Claimant } from '../../lib/people/claimant.ts';
import { idempotencyKeyOf } from '../../lib/http/idempotency-key.ts';
import type { Request } from '../../lib/http/request.ts';
import { identityOf, type TransactionIdentity } from '../../lib/transaction/identity.ts';
import { derivedUuid, uuidV7 } from '../../lib/transaction/ids.ts';

/**
 * Identifies the client without a look-up. The accept script verifies the claim in Redis.
 * @throws ProblemError 401, 403
 */
export async function identifyClaimant(request: Request, verify: VerifyAccessToken): Promise<Claimant> {
  const credential = readCredential(request.headers.authorization);
  if (credential.kind === 'api-token') return credential;
  const principal = await verify(credential.jwt);
  requireAccess(principal, request.route.access);
  return { kind: 'session', principalId: principal.id, sessionId: principal.sessionId ?? '' };
}

export interface Identity extends TransactionIdentity {
  /** digest of the idempotency key, if there is one */
  readonly keyDigest?: string;
  /** id for a new record: the same for every attempt with the same key */
  readonly newRecordId: string;
}

/**
 * The identity of a write. With a key it is derived from the request. So a retry is the same transaction even if every store has
 * lost the first attempt, and a different body never gets the same identity.
 * @param clientMadeId of the record; used as the key if there is none
 * @param random 20 random bytes, used without a key
 */
export function identifyWrite(
  request: Request,
  principalId: string,
  clientMadeId: string | undefined,
  random: Uint8Array,
): Identity {
  const key = idempotencyKeyOf(request) ?? (clientMadeId === undefined ? undefined : `\n${clientMadeId}`);
  if (key === undefined) {
    return {
      id: uuidV7(request.receivedAt, random.subarray(0, 10)),
      newRecordId: uuidV7(request.receivedAt, random.subarray(10)),
    };
  }
  const { given, route } = request;
  const { params, body } = given;
  const identity = identityOf({ principalId, operation: route.operation, params, body }, key);
  return {
    ...identity,
    keyDigest: createHash('sha256').update(key).digest('hex'),
    newRecordId: derivedUuid('record', identity.id),
  };
}
