/**
 * Login with GitHub: the authorization code flow with PKCE, by oauth4webapi, then the user's profile, membership and teams. GitHub's
 * answers are untrusted: they are limited in size, parsed, and redirects are not followed.
 */
import * as oauth from 'oauth4webapi';
import * as z from 'zod/mini';
import { whyNotStorable } from '../values/text.ts';
import type { Role } from '../people/permissions.ts';
import { getFromApi, GitHubUnavailable } from './github-api.ts';

export { GitHubUnavailable } from './github-api.ts';

/** for all requests of one login */
const timeoutMilliseconds = 8000;
const teamsPerPage = 100;
const maxPages = 10;

export interface GitHubSettings {
  /** https://github.com */
  readonly url: string;
  /** https://api.github.com */
  readonly apiUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** as registered with the GitHub app */
  readonly callbackUrl: string;
  readonly organization: string;
}

export interface Member {
  /** GitHub's number of the account, which does not change with the login */
  readonly id: string;
  readonly login: string;
  readonly name: string;
  /** `organization/team` */
  readonly teams: readonly string[];
}

/** The URL at GitHub at which a browser logs in. @param login suggests an account */
export async function authorizationUrl(
  { url, clientId, callbackUrl }: GitHubSettings,
  { state, verifier, login }: { state: string; verifier: string; login: string | undefined },
): Promise<string> {
  const to = new URL('/login/oauth/authorize', url);
  to.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: callbackUrl,
    scope: 'read:org',
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...(login !== undefined && { login }),
  }).toString();
  return to.href;
}

/**
 * The user for this code.
 * @returns undefined if the user is not an active member of the organisation, or the code is invalid
 * @throws GitHubUnavailable
 */
export async function memberOf(
  settings: GitHubSettings,
  { code, verifier }: { readonly code: string; readonly verifier: string },
): Promise<Member | undefined> {
  const deadline = AbortSignal.timeout(timeoutMilliseconds);
  const accessToken = await exchange(settings, { code, verifier, deadline });
  if (accessToken === undefined) return undefined;
  const ask = <S extends z.ZodMiniType>(path: string, schema: S) =>
    getFromApi(settings.apiUrl, { accessToken, path, schema, deadline });
  const organization = encodeURIComponent(settings.organization);
  const [user, membership] = await Promise.all([
    ask('/user', profile),
    ask(`/user/memberships/orgs/${organization}`, orgMembership),
  ]);
  if (!user || membership?.state !== 'active') return undefined;
  if (membership.organization.login.toLowerCase() !== settings.organization.toLowerCase()) return undefined;
  const teams: string[] = [];
  for (let page = 1; page <= maxPages; page += 1) {
    // pages are counted, because following a `Link` header could lead to any URL
    const found = await ask(`/user/teams?per_page=${teamsPerPage}&page=${page}`, z.array(team));
    // fail rather than assign a lower role
    if (!found) throw new GitHubUnavailable('the teams could not be read');
    for (const each of found) teams.push(`${each.organization.login}/${each.slug}`.toLowerCase());
    if (found.length < teamsPerPage) break;
  }
  return { id: String(user.id), login: user.login, name: storableName(user.name) ?? user.login, teams };
}

/** Whether GitHub answers. */
export async function isReachable(apiUrl: string): Promise<boolean> {
  try {
    const { status } = await fetch(new URL('/zen', apiUrl), {
      signal: AbortSignal.timeout(2000),
      redirect: 'manual',
    });
    return status < 500;
  } catch {
    return false;
  }
}

const strongestFirst: readonly Role[] = ['admin', 'observer', 'service', 'viewer'];

/** GitHub accepts names that cannot be stored; such a name would make main reject every change of the user. */
function storableName(name: string | null | undefined): string | undefined {
  return whyNotStorable(name ?? '') === undefined ? (name ?? undefined) : undefined;
}

/** The role with the most permissions among the user's teams, or else the role of every member. @param mapping from `organization/team` */
export function roleOf(
  teams: readonly string[],
  mapping: Readonly<Record<string, Role>>,
  memberRole: Role,
): Role {
  const mapped = Object.entries(mapping).flatMap(([name, role]) =>
    teams.includes(name.toLowerCase()) ? [role] : [],
  );
  return strongestFirst.find((role) => mapped.includes(role)) ?? memberRole;
}

async function exchange(
  { url, clientId, clientSecret, callbackUrl }: GitHubSettings,
  { code, verifier, deadline }: { code: string; verifier: string; deadline: AbortSignal },
): Promise<string | undefined> {
  const server = { issuer: url, token_endpoint: new URL('/login/oauth/access_token', url).href };
  const client = { client_id: clientId };
  const parameters = oauth.validateAuthResponse(
    server,
    client,
    new URLSearchParams({ code }),
    oauth.skipStateCheck,
  );
  const isLocal = new URL(url).hostname === '127.0.0.1';
  let response: Response;
  try {
    response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.ClientSecretPost(clientSecret),
      parameters,
      callbackUrl,
      verifier,
      {
        signal: deadline,
        headers: { accept: 'application/json' },
        [oauth.allowInsecureRequests]: isLocal,
      },
    );
  } catch {
    throw new GitHubUnavailable('the token endpoint did not answer');
  }
  if (response.status >= 500) throw new GitHubUnavailable('the token endpoint failed');
  try {
    return (await oauth.processAuthorizationCodeResponse(server, client, response)).access_token;
  } catch {
    return undefined;
  }
}

const profile = z.object({
  id: z.int().check(z.positive()),
  login: z.string().check(z.maxLength(100)),
  name: z.nullish(z.string().check(z.maxLength(300))),
});
const orgMembership = z.object({
  state: z.string(),
  organization: z.object({ login: z.string() }),
});
const team = z.object({ slug: z.string(), organization: z.object({ login: z.string() }) });
