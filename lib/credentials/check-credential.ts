/** Checks a credential in Redis, in one round trip. The accept script contains the same checks. */
import * as z from 'zod/mini';
import { problem } from '../http/problem.ts';
import { orRedisUnavailable } from '../http/redis-unavailable.ts';
import { redisHash } from '../redis/hash.ts';
import { checkSessionScript, checkTokenScript } from '../redis/generated/scripts.ts';
import type { ApiTokenClaim } from './api-token.ts';
import { permissions, roles, type Permission } from '../people/permissions.ts';
import type { Principal } from '../people/principal.ts';
import { tokenFields } from '../tokens/token-store.ts';
import type { Site } from '../redis/site.ts';

const text = z.nullable(z.string());
/** `active`, `role` and `permissions` of the owner; null if Redis does not have the user */
const ownerAnswer = z.tuple([text, z.nullable(z.enum(roles)), text]);
const sessionAnswer = z.tuple([z.int(), z.int(), ownerAnswer]);
const tokenAnswer = z.tuple([z.int(), ownerAnswer, redisHash]);

const tokenRecord = z.object(tokenFields);

/** @throws ProblemError 401, or 503 if it cannot be verified */
export async function checkSession({ redis, keys }: Site, session: Principal): Promise<Principal> {
  const call = checkSessionScript(
    redis,
    [keys.revokedSession(session.sessionId ?? ''), keys.user(session.id), keys.usersLoaded],
    [],
  );
  const [ended, loaded, owner] = sessionAnswer.parse(await orCannotVerify(call));
  if (ended !== 0) throw problem.unauthorized('The session has been revoked.');
  return limitedToOwner(session, owner, loaded === 1);
}

/** @throws ProblemError 401, or 503 if it cannot be verified */
export async function checkToken(
  { redis, keys }: Site,
  claim: ApiTokenClaim,
  nowMilliseconds: number,
): Promise<Principal> {
  const call = checkTokenScript(
    redis,
    [keys.token(claim.hash), keys.user(claim.principalId), keys.usersLoaded],
    [claim.principalId, nowMilliseconds],
  );
  const [loaded, owner, found] = tokenAnswer.parse(await orCannotVerify(call));
  if (found === null && loaded === 0) throw cannotVerify();
  const token = tokenRecord.safeParse(found);
  if (!token.success || token.data.principal !== claim.principalId) {
    throw problem.unauthorized('The API token is unknown.');
  }
  const { data } = token;
  if (data.revoked === '1') throw problem.unauthorized('The API token has been revoked.');
  if (data.expires_at !== '' && Number(data.expires_at) * 1000 <= nowMilliseconds) {
    throw problem.unauthorized('The API token has expired.');
  }
  const principal: Principal = {
    id: data.principal,
    name: data.name,
    role: data.role,
    permissions: permissions.filter((each) => data.permissions.split(' ').includes(each)),
    credential: 'api-token',
    tokenId: data.id,
    tokenHash: claim.hash,
    ...(data.expires_at !== '' && { expiresAt: Number(data.expires_at) }),
  };
  return limitedToOwner(principal, owner, loaded === 1);
}

/** A credential never grants more than its owner currently has. It keeps its permissions if no such user exists. */
function limitedToOwner(
  principal: Principal,
  [active, role, allowed]: z.infer<typeof ownerAnswer>,
  areLoaded: boolean,
): Principal {
  if (active === null && !areLoaded) throw cannotVerify();
  if (active === '0') throw problem.unauthorized('The owner of this credential has been deactivated.');
  if (role === null || allowed === null) return principal;
  const has = (each: Permission) => allowed.split(' ').includes(each);
  return { ...principal, role, permissions: principal.permissions.filter(has) };
}

/**
 * Requires that Redis has loaded all users and tokens. Until then, one that is missing in Redis may exist.
 * @throws ProblemError 503
 */
export async function requireUsersLoaded({ redis, keys }: Site): Promise<void> {
  if ((await orCannotVerify(redis.exists(keys.usersLoaded))) === 0) throw cannotVerify();
}

function orCannotVerify<T>(call: Promise<T>): Promise<T> {
  return orRedisUnavailable(call, cannotVerify);
}

/** 503 rather than 401, because the credential may be valid. */
export function cannotVerify() {
  return problem.unavailable('Credentials cannot be checked at the moment. Please try again later.', 2);
}
