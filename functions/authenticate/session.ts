/** Refresh and logout: the refresh token in the cookie is exchanged once for an access token and the next refresh token. */
import { randomUUID } from 'node:crypto';
import type { JWK } from 'jose';
import { signAccessToken, type AccessTokenSettings } from '../../lib/credentials/access-token.ts';
import { isReachable, type GitHubSettings } from '../../lib/login/github.ts';
import { isFrontend } from '../../lib/login/pending-login.ts';
import { requireUsersLoaded } from '../../lib/credentials/check-credential.ts';
import { rolePermissions } from '../../lib/people/permissions.ts';
import { inTime, recordChange, type ChangeParts } from '../../lib/audit/record-change.ts';
import {
  accessTokenSeconds,
  endSession,
  readRefreshToken,
  refreshTokenAfter,
  rotateSession,
  type RefreshToken,
  type Rotation,
} from '../../lib/sessions/session.ts';
import { readUser, type User } from '../../lib/users/user-store.ts';
import { problem } from '../../lib/http/problem.ts';
import { answer, type Answer } from '../../lib/http/operation.ts';
import type { Request } from '../../lib/http/request.ts';
import {
  logOut as logOutContract,
  refreshSession as refreshContract,
} from '../../lib/sessions/operations.ts';
import { readCookie, writeCookie } from './cookies.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';

export interface SessionParts extends ChangeParts {
  readonly github: GitHubSettings;
  readonly signingKey: JWK;
  readonly refreshKey: Uint8Array;
  readonly accessToken: AccessTokenSettings;
  /** origins that a login may return to and that may use the cookie */
  readonly frontendOrigins: readonly string[];
  readonly outageSeconds: number;
}

/** Exchanges the refresh token in the cookie for a new access token and a new refresh token. */
export const refreshSession = answer(refreshContract, async (request, parts: SessionParts) => {
  requireOwnFrontend(parts, request);
  const { redis, keys } = parts;
  const presented = readRefreshToken(readCookie(request, 'refresh'));
  if (!presented) throw problem.unauthorized('The request has no session cookie. Please log in.');
  const following = refreshTokenAfter(presented, parts.refreshKey);
  let rotation = await rotate(parts, request, presented, following, false);
  if (rotation.state === 'over' && (await isOutage(parts))) {
    rotation = await rotate(parts, request, presented, following, true);
  }
  switch (rotation.state) {
    case 'unknown':
      throw problem.unauthorized('The session has ended. Please log in.');
    case 'over':
      throw problem.unauthorized('The session has ended. Please log in.');
    case 'reused':
      await recordEnd(parts, request, presented, rotation);
      throw problem.unauthorized(
        'A refresh token was used twice. The session has been revoked. Please log in.',
      );
    case 'rotated':
  }
  const user = await inTime(readUser({ redis, keys }, rotation.principal));
  if (!user) await requireUsersLoaded({ redis, keys });
  if (!user?.active) throw problem.unauthorized('The session has ended. Please log in.');
  const { ends_at: endsAt, extended } = rotation;
  if (rotation.is_first) {
    await recordChange(parts, request, {
      principal: user.principal,
      action: 'session.extended',
      subject: presented.sessionId,
      detail: { until: new Date(endsAt * 1000).toISOString() },
    });
  }
  const session = { sessionId: presented.sessionId, endsAt, extended };
  return sessionAnswer(parts, request, user, session, following.text);
});

/** Ends the session of the cookie immediately. Without a cookie it does nothing. */
export const logOut = answer(logOutContract, async (request, parts: SessionParts) => {
  requireOwnFrontend(parts, request);
  const presented = readRefreshToken(readCookie(request, 'refresh'));
  if (presented) {
    // the id of a session must not be enough to end it: the refresh token must be valid
    const rotation = await rotate(parts, request, presented, presented, false);
    if (rotation.state !== 'unknown') {
      await inTime(endSession(parts, presented.sessionId));
      await recordEnd(parts, request, presented, rotation);
    }
  }
  return { status: 200, body: { logged_out: true }, cookies: [writeCookie('refresh', '', 0)] };
});

interface OpenSession {
  readonly sessionId: string;
  /** unix seconds */
  readonly endsAt: number;
  /** only an outage keeps it open */
  readonly extended: boolean;
}

export async function sessionAnswer(
  parts: SessionParts,
  request: Request,
  user: User,
  { sessionId, endsAt, extended }: OpenSession,
  refreshToken: string,
): Promise<Answer<typeof refreshContract>> {
  const now = Math.floor(request.receivedAt / 1000);
  const expiresAt = Math.min(now + accessTokenSeconds, endsAt);
  const claims = { id: user.principal, name: user.name, role: user.role, sessionId };
  const times = { issuedAt: now, expiresAt, id: randomUUID() };
  return {
    status: 200,
    body: {
      access_token: await signAccessToken(parts.signingKey, parts.accessToken, claims, times),
      token_type: 'Bearer',
      expires_in: expiresAt - now,
      user: { id: user.principal, login: user.login, name: user.name, role: user.role },
      permissions: rolePermissions[user.role],
      session: { ends_at: instantOfMilliseconds(endsAt * 1000), extended },
    },
    cookies: [writeCookie('refresh', refreshToken, endsAt + parts.outageSeconds - now)],
  };
}

/** Pages of other origins must not use the cookie, even if a browser does not enforce SameSite. */
export function requireOwnFrontend(
  { frontendOrigins }: Pick<SessionParts, 'frontendOrigins'>,
  { headers }: Request,
): void {
  if (headers.origin === undefined || isFrontend(headers.origin, frontendOrigins)) return;
  throw problem.forbidden('Pages of this origin may not use sessions.');
}

function rotate(
  parts: SessionParts,
  { receivedAt: nowMilliseconds }: Request,
  presented: RefreshToken,
  following: RefreshToken,
  isDuringOutage: boolean,
): Promise<Rotation> {
  const when = { nowMilliseconds, isOutage: isDuringOutage, outageSeconds: parts.outageSeconds };
  return inTime(rotateSession(parts, { presented, following }, when));
}

async function recordEnd(
  parts: SessionParts,
  request: Request,
  { sessionId }: RefreshToken,
  { state, principal }: Exclude<Rotation, { state: 'unknown' }>,
): Promise<void> {
  const action = state === 'reused' ? 'session.reused' : 'session.ended';
  await recordChange(parts, request, { principal, action, subject: sessionId });
}

/** An outage of the link or of GitHub, during which users cannot log in again. */
async function isOutage({ redis, keys, github }: Pick<SessionParts, 'redis' | 'keys' | 'github'>) {
  if ((await inTime(redis.exists(keys.mainDown))) === 1) return true;
  return !(await isReachable(github.apiUrl));
}
