/**
 * A local GitHub: an OAuth server (oauth2-mock-server, with PKCE) and the three endpoints for user, membership and teams. There
 * are no passwords: the parameter `login` of the authorisation request selects the account.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { decodeJwt } from 'jose';
import { OAuth2Server } from 'oauth2-mock-server';

export interface GitHubAccount {
  readonly id: number;
  readonly name: string | null;
  /** slugs of teams in the organisation */
  readonly teams: readonly string[];
  readonly membership: 'active' | 'pending' | 'none';
}

export interface LocalGitHub {
  readonly url: string;
  readonly apiUrl: string;
  /** by login; tests add accounts */
  readonly accounts: Map<string, GitHubAccount>;
  /** returns true if it has answered instead of the endpoints; for tests */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly stop: () => Promise<void>;
}

export const localOrganization = 'observatory';
export const localTeamRoles = { 'observatory/admins': 'admin', 'observatory/observers': 'observer' } as const;

/** The first account is used for a request without `login`. */
const demoAccounts: readonly (readonly [string, GitHubAccount])[] = [
  ['ada-admin', { id: 1001, name: 'Demo admin', teams: ['admins'], membership: 'active' }],
  ['olu-observer', { id: 1002, name: 'Demo observer', teams: ['observers'], membership: 'active' }],
  ['vera-viewer', { id: 1003, name: null, teams: [], membership: 'active' }],
];

export async function startGitHub(client: {
  readonly clientId: string;
  readonly clientSecret: string;
}): Promise<LocalGitHub> {
  const accounts = new Map(demoAccounts);
  const loginOfCode = new Map<string, string>();
  const oauth = new OAuth2Server(undefined, undefined, {
    endpoints: { authorize: '/login/oauth/authorize', token: '/login/oauth/access_token' },
  });
  await oauth.issuer.keys.generate('RS256');
  oauth.service.on('beforeAuthorizeRedirect', (redirect: { url: URL }, request: IncomingMessage) => {
    const asked = new URL(request.url ?? '/', 'http://local').searchParams;
    const [first = ''] = accounts.keys();
    const code = redirect.url.searchParams.get('code') ?? '';
    loginOfCode.set(code, asked.get('login') ?? first);
  });
  oauth.service.on(
    'beforeTokenSigning',
    (token: { payload: Record<string, unknown> }, request: { body: Record<string, string> }) => {
      const { code = '' } = request.body;
      token.payload.login = loginOfCode.get(code);
    },
  );
  oauth.service.on(
    'beforeResponse',
    (
      answer: { body: Record<string, unknown> | ''; statusCode: number },
      { body }: { body: Record<string, string> },
    ) => {
      const { client_id: id, client_secret: secret, code = '' } = body;
      const isGood = id === client.clientId && secret === client.clientSecret && loginOfCode.delete(code);
      if (!isGood)
        answer.body = { error: 'bad_verification_code' }; // with status 200, as GitHub does it
      else if (answer.body !== '') delete answer.body.id_token;
    },
  );
  await oauth.start(0, '127.0.0.1');

  const github: LocalGitHub = {
    url: `http://127.0.0.1:${oauth.address().port}`,
    apiUrl: '',
    accounts,
    stop: async () => {
      api.closeAllConnections();
      api.close();
      await oauth.stop();
    },
  };
  const api = createServer((request, response) => {
    if (github.intercept?.(request, response)) return;
    const [status, body] = answer(accounts, request);
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  });
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  return Object.assign(github, { apiUrl: `http://127.0.0.1:${(api.address() as AddressInfo).port}` });
}

function answer(
  accounts: ReadonlyMap<string, GitHubAccount>,
  { url, headers }: IncomingMessage,
): [number, unknown] {
  const { pathname, searchParams } = new URL(url ?? '/', 'http://local');
  if (pathname === '/zen') return [200, 'Keep it logically awesome.'];
  const login = loginOf(headers.authorization);
  const account = login === undefined ? undefined : accounts.get(login);
  if (!account || login === undefined) return [401, { message: 'Bad credentials' }];
  const organization = { login: localOrganization };
  switch (pathname) {
    case '/user':
      return [200, { id: account.id, login, name: account.name }];
    case `/user/memberships/orgs/${localOrganization}`:
      if (account.membership === 'none') return [404, { message: 'Not Found' }];
      return [200, { state: account.membership, role: 'member', organization }];
    case '/user/teams': {
      const size = Number(searchParams.get('per_page') ?? 30);
      const from = (Number(searchParams.get('page') ?? 1) - 1) * size;
      return [200, account.teams.slice(from, from + size).map((slug) => ({ slug, organization }))];
    }
    default:
      return [404, { message: 'Not Found' }];
  }
}

function loginOf(authorization: string | undefined): string | undefined {
  try {
    const { login } = decodeJwt((authorization ?? '').replace('Bearer ', ''));
    return typeof login === 'string' ? login : undefined;
  } catch {
    return undefined;
  }
}
