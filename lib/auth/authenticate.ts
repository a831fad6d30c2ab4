import * as z from 'zod/mini';
import { problem } from '../http/problem.ts';
import type { Request } from '../http/serve.ts';
import type { Route } from '../http/routes.ts';
import type { Redis } from '../redis/client.ts';
import { redisHash } from '../redis/hash.ts';
import type { Keys } from '../redis/keys.ts';
import type { VerifyAccessToken } from './access-token.ts';
import type { ApiTokenClaim } from './api-token.ts';
import { readCredential } from './credential.ts';
import { permissions, roles } from './permissions.ts';
import type { Principal } from './principal.ts';

export interface AuthenticationParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly verifyAccessToken: VerifyAccessToken;
}

/**
 * Who asks, and that they may: one look-up in Redis.
 * @throws ProblemError 401, 403, or 503 if it cannot be told
 */
export async function authenticate(parts: AuthenticationParts, request: Request): Promise<Principal> {
  const credential = readCredential(request.headers.authorization);
  const principal =
    credential.kind === 'session'
      ? await checkSession(parts, await parts.verifyAccessToken(credential.jwt))
      : await lookUpToken(parts, credential, request.receivedAt);
  requireAccess(principal, request.route.access);
  return principal;
}

/** @throws ProblemError 403 */
export function requireAccess(principal: Pick<Principal, 'permissions'>, access: Route['access']): void {
  if (access === 'public' || access === 'any' || principal.permissions.includes(access)) return;
  throw problem.forbidden(`This needs the permission ${access}.`);
}

async function checkSession({ redis, keys }: AuthenticationParts, principal: Principal): Promise<Principal> {
  const revoked = await answered(redis.exists(keys.revokedSession(principal.sessionId ?? '')));
  if (revoked !== 0) throw problem.unauthorized('The session has been ended.');
  return principal;
}

const tokenRecord = z.object({
  id: z.string(),
  principal: z.string(),
  name: z.string(),
  role: z.enum(roles),
  permissions: z.string(),
  expires_at: z.string(),
  revoked: z.string(),
});

async function lookUpToken(
  { redis, keys }: AuthenticationParts,
  claim: ApiTokenClaim,
  nowMilliseconds: number,
): Promise<Principal> {
  const pipeline = redis.pipeline();
  pipeline.hgetall(keys.token(claim.hash));
  pipeline.exists(keys.tokensLoaded);
  const [answer, loaded] = await answered(pipeline.exec<[unknown, number]>());
  const found = redisHash.parse(answer);
  if (found === null && loaded === 0) throw cannotTell();
  const token = tokenRecord.safeParse(found);
  if (!token.success || token.data.principal !== claim.principalId) {
    throw problem.unauthorized('The API token is not known.');
  }
  const { data } = token;
  if (data.revoked === '1') throw problem.unauthorized('The API token has been revoked.');
  if (data.expires_at !== '' && Number(data.expires_at) * 1000 <= nowMilliseconds) {
    throw problem.unauthorized('The API token has expired.');
  }
  return {
    id: data.principal,
    name: data.name,
    role: data.role,
    permissions: permissions.filter((each) => data.permissions.split(' ').includes(each)),
    credential: 'api-token',
    tokenId: data.id,
    tokenHash: claim.hash,
    ...(data.expires_at !== '' && { expiresAt: Number(data.expires_at) }),
  };
}

async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch {
    throw cannotTell();
  }
}

/** A credential that cannot be checked is not a wrong one. */
function cannotTell() {
  return problem.unavailable('Credentials cannot be checked at the moment. Please try again.', 2);
}
