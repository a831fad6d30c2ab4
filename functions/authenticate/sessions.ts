/** How people come in, stay and leave. */
import { randomBytes } from 'node:crypto';
import type { JWK } from 'jose';
import * as z from 'zod/mini';
import { signAccessToken, type AccessTokenSettings } from '../../lib/auth/access-token.ts';
import {
  authorizationUrl,
  GitHubUnavailable,
  isInReach,
  memberOf,
  roleOf,
  type GitHubSettings,
  type Member,
} from '../../lib/auth/github.ts';
import {
  isAllowedReturn,
  keepLogin,
  keepLoginCode,
  takeLogin,
  takeLoginCode,
  type PendingLogin,
} from '../../lib/auth/login.ts';
import { rolePermissions, type Role } from '../../lib/auth/permissions.ts';
import { inTime, recordChange, type Change, type ChangeParts } from '../../lib/auth/record-change.ts';
import {
  accessTokenSeconds,
  endSession,
  mintRefreshToken,
  openSession,
  readRefreshToken,
  rotateSession,
} from '../../lib/auth/session.ts';
import { putUser, putUserRow, readUser, userRowId, type User } from '../../lib/auth/user-store.ts';
import { parse } from '../../lib/http/parse.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Reply, Request } from '../../lib/http/serve.ts';

export interface SessionParts extends ChangeParts {
  readonly github: GitHubSettings;
  readonly signingKey: JWK;
  readonly accessToken: AccessTokenSettings;
  /** of frontends that may be returned to, and may use the cookie */
  readonly frontendOrigins: readonly string[];
  readonly teamRoles: Readonly<Record<string, Role>>;
  readonly memberRole: Role;
  readonly sessionSeconds: number;
  readonly outageSeconds: number;
}

const base64url = (length: number) => z.string().check(z.regex(new RegExp(`^[A-Za-z0-9_-]{${length}}$`)));
const startQuery = z.strictObject({
  return_to: z.string().check(z.maxLength(2000)),
  /** S256 of a verifier that the page keeps: who redeems the code must have it */
  code_challenge: base64url(43),
  /** suggests an account */
  login: z.optional(z.string().check(z.maxLength(100))),
});

/** Sends the browser to GitHub. */
export async function startLogin({ redis, keys, github, frontendOrigins }: SessionParts, request: Request) {
  const { return_to: returnTo, code_challenge: challenge, login } = parse(startQuery, request.query);
  if (!isAllowedReturn(returnTo, frontendOrigins)) {
    throw problem.badRequest('return_to: not a page that a login may return to.');
  }
  const [state, verifier] = [secret(), secret()];
  await inTime(keepLogin(redis, keys, state, { verifier, returnTo, challenge }));
  return redirect(await authorizationUrl(github, { state, verifier, login }));
}

const callbackQuery = z.object({
  state: base64url(43),
  code: z.optional(z.string().check(z.minLength(1), z.maxLength(500))),
  error: z.optional(z.string()),
});

/** The browser comes back from GitHub: it goes on to the page it came from, with a code, or an error as in RFC 6749 §4.1.2.1. */
export async function finishLogin(parts: SessionParts, request: Request): Promise<Reply> {
  const { redis, keys, github } = parts;
  const { state, code } = parse(callbackQuery, request.query);
  const login = await inTime(takeLogin(redis, keys, state));
  if (!login) throw problem.badRequest('This login has been used or is too old. Please begin again.');
  if (code === undefined) return returnWith(login, { error: 'access_denied' });
  try {
    const member = await memberOf(github, { code, verifier: login.verifier });
    if (!member) return returnWith(login, { error: 'access_denied' });
    const user = await welcome(parts, request, member);
    if (!user.active) return returnWith(login, { error: 'access_denied' });
    const once = secret();
    await keepLoginCode(redis, keys, once, { principal: user.principal, challenge: login.challenge });
    return returnWith(login, { code: once });
  } catch (error) {
    if (error instanceof GitHubUnavailable) return returnWith(login, { error: 'temporarily_unavailable' });
    throw error;
  }
}

const exchangeBody = z.strictObject({
  code: base64url(43),
  code_verifier: z.string().check(z.regex(/^[\w.~-]{43,128}$/)),
});

/** The page redeems its code: the refresh token goes into a cookie that no script can read. */
export async function exchangeCode(parts: SessionParts, request: Request): Promise<Reply> {
  requireOwnFrontend(parts, request);
  const { redis, keys } = parts;
  const { code, code_verifier: verifier } = parse(exchangeBody, request.body);
  const principal = await inTime(takeLoginCode(redis, keys, code, verifier));
  const user = principal === undefined ? undefined : await inTime(readUser(redis, keys, principal));
  if (!user?.active)
    throw problem.unauthorized('This login code has been used, is too old, or is not yours.');
  const refresh = mintRefreshToken(randomBytes(48));
  const endsAt = Math.floor(request.receivedAt / 1000) + parts.sessionSeconds;
  const { outageSeconds } = parts;
  await inTime(openSession(redis, keys, refresh, { principal: user.principal, endsAt, outageSeconds }));
  await recordChange(parts, request, {
    ...about(user.principal, refresh.sessionId),
    action: 'session.opened',
    detail: { login: user.login, role: user.role },
  });
  const session = { sessionId: refresh.sessionId, endsAt, extended: false };
  return signedIn(parts, request, user, session, refresh.text);
}

/** A new access token and a new refresh token for the one in the cookie. */
export async function refreshSession(parts: SessionParts, request: Request): Promise<Reply> {
  requireOwnFrontend(parts, request);
  const { redis, keys, github, outageSeconds } = parts;
  const presented = readRefreshToken(cookieOf(request));
  if (!presented) throw problem.unauthorized('There is no session. Please log in.');
  const following = mintRefreshToken(randomBytes(48), presented.sessionId);
  const rotate = (isOutage: boolean) =>
    inTime(
      rotateSession(
        redis,
        keys,
        { presented, following },
        {
          nowMilliseconds: request.receivedAt,
          isOutage,
          outageSeconds,
        },
      ),
    );
  let rotation = await rotate(false);
  if (rotation.state === 'over' && (await isOutage({ redis, keys, github }))) rotation = await rotate(true);
  if (rotation.state === 'unknown') throw problem.unauthorized('The session has ended. Please log in.');
  const who = about(rotation.principal, presented.sessionId);
  if (rotation.state === 'reused') {
    // the session is marked as ended: its event must not be refused for that
    await recordChange(parts, request, { ...who, ...asSystem(rotation.principal), action: 'session.reused' });
    throw problem.unauthorized('A refresh token was used twice: the session has been ended. Please log in.');
  }
  if (rotation.state === 'over') throw problem.unauthorized('The session is over. Please log in.');
  const user = await inTime(readUser(redis, keys, rotation.principal));
  if (!user?.active) throw problem.unauthorized('The session has ended. Please log in.');
  const { ends_at: endsAt, extended } = rotation;
  if (rotation.is_first) {
    const until = new Date(endsAt * 1000).toISOString();
    await recordChange(parts, request, { ...who, action: 'session.extended', detail: { until } });
  }
  return signedIn(parts, request, user, { sessionId: presented.sessionId, endsAt, extended }, following.text);
}

/** Ends the session of the cookie, at once and everywhere. Without one there is nothing to do. */
export async function logOut(parts: SessionParts, request: Request): Promise<Reply> {
  requireOwnFrontend(parts, request);
  const presented = readRefreshToken(cookieOf(request));
  if (presented) {
    const { redis, keys } = parts;
    // whoever has a session's id alone must not be able to end it
    const rotation = await inTime(
      rotateSession(
        redis,
        keys,
        { presented, following: presented },
        {
          nowMilliseconds: request.receivedAt,
          isOutage: false,
          outageSeconds: 0,
        },
      ),
    );
    if (rotation.state !== 'unknown') {
      await inTime(endSession(redis, keys, presented.sessionId));
      await recordChange(parts, request, {
        ...about(rotation.principal, presented.sessionId),
        ...asSystem(rotation.principal),
        action: rotation.state === 'reused' ? 'session.reused' : 'session.ended',
      });
    }
  }
  return { status: 200, body: { logged_out: true }, cookies: [cookie('', 0)] };
}

/** Makes the user, or brings what is known of them up to date. */
async function welcome(parts: SessionParts, request: Request, member: Member): Promise<User> {
  const { redis, keys } = parts;
  const before = await inTime(readUser(redis, keys, member.id));
  const at = new Date(request.receivedAt).toISOString();
  const isSetByHand = before?.role_from === 'admin';
  const user: User = {
    principal: member.id,
    login: member.login,
    name: member.name,
    role: isSetByHand ? before.role : roleOf(member.teams, parts.teamRoles, parts.memberRole),
    role_from: isSetByHand ? 'admin' : 'github',
    active: before?.active ?? true,
    last_login_at: at,
    created_at: before?.created_at ?? at,
    stamp: Math.max(request.receivedAt * 1000, (before?.stamp ?? 0) + 1),
  };
  if (!user.active) return user;
  await inTime(putUser(redis, keys, user));
  await recordChange(parts, request, {
    ...asSystem(member.id),
    action: 'user.changed',
    subject: member.id,
    detail: { login: member.login, role: user.role, role_from: user.role_from },
    aggregate: userRowId(member.id),
    build: (builder) => putUserRow(builder, user),
  });
  return user;
}

interface OpenSession {
  readonly sessionId: string;
  /** unix seconds */
  readonly endsAt: number;
  readonly extended: boolean;
}

async function signedIn(
  parts: SessionParts,
  request: Request,
  user: User,
  { sessionId, endsAt, extended }: OpenSession,
  refreshToken: string,
): Promise<Reply> {
  const now = Math.floor(request.receivedAt / 1000);
  const expiresAt = Math.min(now + accessTokenSeconds, endsAt);
  const claims = { id: user.principal, name: user.name, role: user.role, sessionId };
  const times = { issuedAt: now, expiresAt, id: secret() };
  return {
    status: 200,
    body: {
      access_token: await signAccessToken(parts.signingKey, parts.accessToken, claims, times),
      token_type: 'Bearer',
      expires_in: expiresAt - now,
      user: { id: user.principal, login: user.login, name: user.name, role: user.role },
      permissions: rolePermissions[user.role],
      session: { ends_at: new Date(endsAt * 1000).toISOString(), extended },
    },
    cookies: [cookie(refreshToken, endsAt + parts.outageSeconds - now)],
  };
}

/** Either way out: nobody can log in whose way to GitHub is cut, and that is the link's way as well. */
async function isOutage({ redis, keys, github }: Pick<SessionParts, 'redis' | 'keys' | 'github'>) {
  if ((await inTime(redis.exists(keys.mainDown))) === 1) return true;
  return !(await isInReach(github.apiUrl));
}

/** A page of another origin may not use the cookie, whatever the browser thinks of SameSite. */
function requireOwnFrontend({ frontendOrigins }: SessionParts, { headers }: Request): void {
  if (headers.origin === undefined || frontendOrigins.includes(headers.origin)) return;
  throw problem.forbidden('This page may not use sessions of this site.');
}

function about(principal: string, sessionId: string): Pick<Change, 'claimant' | 'subject'> {
  return { claimant: { kind: 'session', principalId: principal, sessionId }, subject: sessionId };
}

/** For what is recorded about somebody, with no session of theirs that could be asked. */
function asSystem(principal: string): Pick<Change, 'claimant'> {
  return { claimant: { kind: 'session', principalId: principal, sessionId: '' } };
}

const cookieName = '__Host-ops_refresh';

function cookie(value: string, maxAgeSeconds: number): string {
  return `${cookieName}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; Secure; SameSite=Strict`;
}

function cookieOf({ cookies }: Request): string | undefined {
  const found = cookies.find((each) => each.startsWith(`${cookieName}=`));
  return found?.slice(cookieName.length + 1);
}

function returnWith({ returnTo }: PendingLogin, answer: Readonly<Record<string, string>>): Reply {
  const to = new URL(returnTo);
  for (const [name, value] of Object.entries(answer)) to.searchParams.set(name, value);
  return redirect(to.href);
}

function redirect(location: string): Reply {
  return { status: 302, headers: { Location: location } };
}

/** 256 bits */
function secret(): string {
  return randomBytes(32).toString('base64url');
}
