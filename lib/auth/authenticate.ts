import type { Ratelimit } from '@upstash/ratelimit';
import { countRequest } from '../http/rate-limit.ts';
import type { Request } from '../http/serve.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import type { VerifyAccessToken } from './access-token.ts';
import { readCredential } from './credential.ts';
import { checkSession, checkToken } from './look-up.ts';
import type { Principal } from './principal.ts';
import { requireAccess } from './require-access.ts';

export interface AuthenticationParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly verifyAccessToken: VerifyAccessToken;
  readonly limiter: Ratelimit;
}

/**
 * Who asks, that they may, and that they do not ask too often: one look-up in Redis and one count, at the same time.
 * Sessions are counted by user; a token by its hash, since anybody can write somebody else's user id into a token.
 * @throws ProblemError 401, 403, 429, or 503 if it cannot be told
 */
export async function authenticate(parts: AuthenticationParts, request: Request): Promise<Principal> {
  const { redis, keys, limiter } = parts;
  const credential = readCredential(request.headers.authorization);
  if (credential.kind === 'api-token') {
    const checked = checkToken(redis, keys, credential, request.receivedAt);
    return admit(request, checked, countRequest(limiter, request, `token:${credential.hash}`));
  }
  const session = await parts.verifyAccessToken(credential.jwt);
  const checked = checkSession(redis, keys, session);
  return admit(request, checked, countRequest(limiter, request, `user:${session.id}`));
}

/** That a credential is good matters before how often it comes. */
async function admit(
  { route }: Request,
  checked: Promise<Principal>,
  counted: Promise<void>,
): Promise<Principal> {
  const [who, often] = await Promise.allSettled([checked, counted]);
  if (who.status === 'rejected') throw who.reason;
  if (often.status === 'rejected') throw often.reason;
  requireAccess(who.value, route.access);
  return who.value;
}
