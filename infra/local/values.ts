/** The values of the functions' settings on this machine. */
import { webSocketStage } from '../topology.ts';
import { roles } from '../../lib/postgres/roles.ts';
import { as, type Databases } from './databases.ts';
import { tokenIssuer, type Secrets } from './demo-credentials.ts';
import type { LocalValues } from './environment.ts';
import { localOrganization, localTeamRoles, type LocalGitHub } from './github.ts';
import type { RedisOverHttp } from './redis-over-http.ts';

/** Frontends in development run on any port of this machine. */
const localFrontends = ['http://localhost:*', 'http://127.0.0.1:*'];

/** No effective rate limits on a developer's machine, and a short wait until a finish without its start fails. */
const localSettings: LocalValues = {
  RATE_LIMIT_PER_SECOND: '20000',
  TICKETS_PER_SECOND: '1000',
  LOGINS_PER_SECOND: '1000',
  SOCKETS_PER_USER: '5000',
  START_WAIT_SECONDS: '10',
};

interface Known {
  readonly databases: Databases;
  readonly upstash: RedisOverHttp['upstash'];
  readonly github: LocalGitHub;
  readonly secrets: Secrets;
  /** URL of the API for clients */
  readonly gateway: string;
  /** URL of `@connections` for the functions */
  readonly services: string;
}

export function localValues({ databases, upstash, github, secrets, gateway, services }: Known): LocalValues {
  const { mainThroughLink, mainForFunctions, replicas } = databases;
  return {
    REDIS_URL: upstash.url,
    REDIS_TOKEN: upstash.token,
    MAIN_DATABASE_URL: mainForFunctions,
    MAIN_OWNER_DATABASE_URL: mainThroughLink,
    REPLICAS: JSON.stringify(replicas.map(({ name, url }) => ({ name, url: as(roles.reader.name, url) }))),
    JWT_PUBLIC_JWKS: JSON.stringify({ keys: [secrets.publicKey] }),
    JWT_SIGNING_JWK: JSON.stringify(secrets.privateKey),
    JWT_ISSUER: tokenIssuer.issuer,
    JWT_AUDIENCE: tokenIssuer.audience,
    FRONTEND_ORIGINS: localFrontends.join(','),
    GITHUB_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
    GITHUB_CLIENT_ID: 'local',
    GITHUB_CLIENT_SECRET: secrets.githubSecret,
    GITHUB_CALLBACK_URL: `${gateway}/github/callback`,
    GITHUB_ORGANIZATION: localOrganization,
    GITHUB_TEAM_ROLES: JSON.stringify(localTeamRoles),
    WEBSOCKET_ENDPOINT: `${services}/${webSocketStage}`,
    ...localSettings,
  };
}
