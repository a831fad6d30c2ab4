/** Login: redirect to GitHub, return with GitHub's code, redirect to the frontend with our code, exchange it for a session. */
import { randomBytes } from 'node:crypto';
import {
  authorizationUrl,
  GitHubUnavailable,
  memberOf,
  roleOf,
  type Member,
} from '../../lib/login/github.ts';
import {
  isAllowedReturn,
  saveLogin,
  saveLoginCode,
  takeLogin,
  takeLoginCode,
  type PendingLogin,
} from '../../lib/login/pending-login.ts';
import type { Role } from '../../lib/people/permissions.ts';
import { inTime, recordChange } from '../../lib/audit/record-change.ts';
import { cannotVerify, requireUsersLoaded } from '../../lib/credentials/check-credential.ts';
import { mintRefreshToken, openSession } from '../../lib/sessions/session.ts';
import { updateUser } from '../../lib/users/update-user.ts';
import { putUserRow, readUser, userRowId, type User } from '../../lib/users/user-store.ts';
import { problem, ProblemError } from '../../lib/http/problem.ts';
import { answer } from '../../lib/http/operation.ts';
import type { Request } from '../../lib/http/request.ts';
import {
  base64url,
  exchangeCode as exchangeContract,
  finishLogin as finishContract,
  startLogin as startContract,
} from '../../lib/login/operations.ts';
import { readCookie, writeCookie } from './cookies.ts';
import { requireOwnFrontend, sessionAnswer, type SessionParts } from './session.ts';

export interface LoginParts extends SessionParts {
  readonly teamRoles: Readonly<Record<string, Role>>;
  readonly memberRole: Role;
  readonly sessionSeconds: number;
}

const loginSeconds = 600;

/** Redirects to GitHub, and sets a cookie that identifies the browser when it returns. */
export const startLogin = answer(startContract, async (request, parts: LoginParts) => {
  const { return_to: returnTo, code_challenge: challenge, ...query } = request.query;
  if (!isAllowedReturn(returnTo, parts.frontendOrigins)) {
    throw problem.badRequest('return_to: a login may not return to this URL.');
  }
  const [state, verifier] = [secret(), secret()];
  const pending = { verifier, returnTo, challenge, pageState: query.state };
  // logins in several tabs share the cookie
  const browser = base64url.safeParse(readCookie(request, 'login')).data ?? secret();
  await inTime(saveLogin(parts, { state, browser }, pending, loginSeconds));
  return {
    ...redirect(await authorizationUrl(parts.github, { state, verifier, login: query.login })),
    cookies: [writeCookie('login', browser, loginSeconds)],
  };
});

/** Redirects the browser from GitHub to the frontend, with a code, or with an error as in RFC 6749 §4.1.2.1. */
export const finishLogin = answer(finishContract, async (request, parts: LoginParts) => {
  const { redis, keys, github } = parts;
  const { state, code } = request.query;
  const browser = readCookie(request, 'login') ?? '';
  const login = await inTime(takeLogin({ redis, keys }, { state, browser }));
  if (!login) {
    throw problem.badRequest(
      'This login has been used, has expired, or was started in another browser. Please log in again.',
    );
  }
  if (code === undefined) return returnWith(login, { error: 'access_denied' });
  try {
    const member = await memberOf(github, { code, verifier: login.verifier });
    if (!member) return returnWith(login, { error: 'access_denied' });
    // if Redis has lost users, this one may be deactivated
    await requireUsersLoaded({ redis, keys });
    const user = await createOrUpdateUser(parts, request, member);
    if (!user) return returnWith(login, { error: 'access_denied' });
    const once = secret();
    const finished = { principal: user.principal, challenge: login.challenge };
    await inTime(saveLoginCode({ redis, keys }, once, finished));
    return returnWith(login, { code: once });
  } catch (error) {
    const isTemporary =
      error instanceof GitHubUnavailable || (error instanceof ProblemError && error.problem.status === 503);
    if (isTemporary) return returnWith(login, { error: 'temporarily_unavailable' });
    throw error;
  }
});

/** Exchanges the frontend's code for a session. The refresh token goes into a cookie that scripts cannot read. */
export const exchangeCode = answer(exchangeContract, async (request, parts: LoginParts) => {
  requireOwnFrontend(parts, request);
  const { redis, keys, outageSeconds } = parts;
  const { code, code_verifier: verifier } = request.body;
  const principal = await inTime(takeLoginCode({ redis, keys }, code, verifier));
  const user = principal === undefined ? undefined : await inTime(readUser({ redis, keys }, principal));
  if (principal !== undefined && !user) await requireUsersLoaded({ redis, keys });
  if (!user?.active)
    throw problem.unauthorized('This login code has been used, has expired, or is not yours.');
  const refresh = mintRefreshToken(randomBytes(48));
  const endsAt = Math.floor(request.receivedAt / 1000) + parts.sessionSeconds;
  await inTime(openSession({ redis, keys }, refresh, { principal: user.principal, endsAt, outageSeconds }));
  await recordChange(parts, request, {
    principal: user.principal,
    action: 'session.opened',
    subject: refresh.sessionId,
    detail: { login: user.login, role: user.role },
  });
  const session = { sessionId: refresh.sessionId, endsAt, extended: false };
  return sessionAnswer(parts, request, user, session, refresh.text);
});

/**
 * Creates or updates the user. The last active admin keeps the role even if their teams have changed, so that one admin remains
 * who can appoint others.
 * @returns undefined if the user is deactivated
 */
async function createOrUpdateUser(
  parts: LoginParts,
  request: Request,
  member: Member,
): Promise<User | undefined> {
  const { redis, keys } = parts;
  const at = new Date(request.receivedAt).toISOString();
  const roleByTeams = roleOf(member.teams, parts.teamRoles, parts.memberRole);
  const update = (keepsRole: boolean) =>
    inTime(
      updateUser({ redis, keys }, member.id, (before) => {
        if (before?.active === false) return undefined;
        const isSetByHand = before?.role_from === 'admin';
        return {
          principal: member.id,
          login: member.login,
          name: member.name,
          role: before && (isSetByHand || keepsRole) ? before.role : roleByTeams,
          role_from: isSetByHand ? 'admin' : 'github',
          active: true,
          last_login_at: at,
          created_at: before?.created_at ?? at,
          stamp: Math.max(request.receivedAt * 1000, (before?.stamp ?? 0) + 1),
        };
      }),
    );
  const updated = await update(false);
  const refused = 'refused' in updated ? updated.refused : undefined;
  // Redis has lost users since the check
  if (refused === 'users_missing') throw cannotVerify();
  const isLastAdmin = refused === 'last_admin';
  const settled = isLastAdmin ? await update(true) : updated;
  const user = 'user' in settled ? settled.user : undefined;
  if (!user?.active) return undefined;
  await recordChange(parts, request, {
    principal: member.id,
    action: 'user.changed',
    subject: member.id,
    detail: {
      login: member.login,
      role: user.role,
      role_from: user.role_from,
      ...(isLastAdmin && { kept: 'the last active admin' }),
    },
    aggregate: userRowId(member.id),
    stamp: user.stamp,
    build: (builder) => putUserRow(builder, user),
  });
  return user;
}

interface Redirect {
  readonly status: 302;
  readonly headers: { readonly Location: string };
}

function returnWith(
  { returnTo, pageState }: PendingLogin,
  answer: { readonly code: string } | { readonly error: string },
): Redirect {
  const to = new URL(returnTo);
  // remove the parameters of an earlier login
  for (const name of ['code', 'error', 'error_description', 'error_uri']) to.searchParams.delete(name);
  if (pageState !== undefined) to.searchParams.set('state', pageState);
  for (const [name, value] of Object.entries(answer)) to.searchParams.set(name, value);
  return redirect(to.href);
}

function redirect(location: string): Redirect {
  return { status: 302, headers: { Location: location } };
}

/** 256 bits */
function secret(): string {
  return randomBytes(32).toString('base64url');
}
