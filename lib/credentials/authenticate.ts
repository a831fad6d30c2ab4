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
 * Who asks, that they may, and that they do not ask too often: one look-up in Redis and one count, at the same time.
 * Sessions are counted by user; a token by its hash, since anybody can write somebody else's user id into a token.
 * @throws ProblemError 401, 403, 429, or 503 if it cannot be told
 */
export async function authenticate(parts: AuthenticationParts, request: Request): Promise<Principal> {
  const claimed = await readClaimed(parts, request);
  const counted = countRequest(parts.limiter, request, claimed.countedAs);
  // that a credential is good matters before how often it comes
  const [who, often] = await Promise.allSettled([claimed.check(request.receivedAt), counted]);
  if (who.status === 'rejected') throw who.reason;
  if (often.status === 'rejected') throw often.reason;
  requireAccess(who.value, request.route.access);
  return who.value;
}

/** That who has been let in may still; against its rate it is not counted again. @throws ProblemError 401, 403, 503 */
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
