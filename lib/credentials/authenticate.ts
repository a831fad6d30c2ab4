import type { Ratelimit } from '@upstash/ratelimit';
import { countRequest } from '../http/rate-limit.ts';
import type { Request } from '../http/request.ts';
import type { VerifyAccessToken } from './access-token.ts';
import { readCredential } from './credential.ts';
import { checkSession, checkToken } from './check-credential.ts';
import type { Principal } from '../people/principal.ts';
import { requireAccess } from './require-access.ts';
import type { Site } from '../redis/site.ts';

export interface AuthenticationParts extends Site {
  readonly verifyAccessToken: VerifyAccessToken;
  readonly limiter: Ratelimit;
}

/**
 * Authenticates and authorizes a request and counts it against the rate limit, with two concurrent calls of Redis. Sessions are
 * counted per user. API tokens are counted by hash, since anyone can write another user's id into a token.
 * @throws ProblemError 401, 403, 429, or 503 if Redis cannot verify the credential
 */
export async function authenticate(parts: AuthenticationParts, request: Request): Promise<Principal> {
  const claimed = await readClaimed(parts, request);
  const counting = countRequest(parts.limiter, request, claimed.countedAs);
  const [checked, counted] = await Promise.allSettled([claimed.check(request.receivedAt), counting]);
  // an invalid credential takes precedence over the rate limit
  if (checked.status === 'rejected') throw checked.reason;
  if (counted.status === 'rejected') throw counted.reason;
  requireAccess(checked.value, request.route.access);
  return checked.value;
}

/** Checks an authenticated request again, without counting it. @throws ProblemError 401, 403, 503 */
export async function authenticateAgain(
  parts: AuthenticationParts,
  request: Request,
  nowMilliseconds: number,
): Promise<void> {
  const claimed = await readClaimed(parts, request);
  requireAccess(await claimed.check(nowMilliseconds), request.route.access);
}

interface Claimed {
  readonly countedAs: string;
  readonly check: (nowMilliseconds: number) => Promise<Principal>;
}

async function readClaimed(parts: AuthenticationParts, { headers }: Request): Promise<Claimed> {
  const credential = readCredential(headers.authorization);
  if (credential.kind === 'api-token') {
    return {
      countedAs: `token:${credential.hash}`,
      check: (now) => checkToken(parts, credential, now),
    };
  }
  const session = await parts.verifyAccessToken(credential.jwt);
  return { countedAs: `user:${session.id}`, check: () => checkSession(parts, session) };
}
