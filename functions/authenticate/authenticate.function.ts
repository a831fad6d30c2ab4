import * as z from 'zod/mini';
import { json, positiveInteger, text } from '../../lib/config/environment.ts';
import { fromDeployment, secret, setting } from '../../lib/config/variable.ts';
import {
  accessTokens,
  bufferBudget,
  common,
  rateLimit,
  redis,
  transactionsQueue,
} from '../../lib/config/variables.ts';
import { signingKey } from '../../lib/credentials/signing-key.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';
import { roles } from '../../lib/people/permissions.ts';

const origins = z.pipe(
  z.pipe(
    text,
    z.transform((list) => list.split(',').map((each) => each.trim())),
  ),
  z.array(z.string().check(z.regex(/^https?:\/\/[^/]+$/, 'must be origins, separated by commas'))),
);

const github = {
  GITHUB_URL: setting(text, 'https://github.com'),
  GITHUB_API_URL: setting(text, 'https://api.github.com'),
  GITHUB_CLIENT_ID: secret(text, 'github', 'clientId'),
  GITHUB_CLIENT_SECRET: secret(text, 'github', 'clientSecret'),
  GITHUB_CALLBACK_URL: fromDeployment(
    text,
    'as registered with the GitHub app: …/github/callback on the public origin of this API',
  ),
  GITHUB_ORGANIZATION: fromDeployment(text, 'GitHub organisation whose members may log in'),
  /** JSON: {"organization/team": "admin", …}; a member of several teams gets the role with the most permissions */
  GITHUB_TEAM_ROLES: setting(json(z.record(z.string(), z.enum(roles))), '{}'),
  /** role of members in none of these teams */
  GITHUB_MEMBER_ROLE: setting(z.enum(roles), 'viewer'),
};

export const spec = {
  name: 'authenticate',
  entry: 'functions/authenticate/authenticate.handler.ts',
  description: 'logins, sessions, users, API tokens and socket tickets',
  trigger: { kind: 'http' },
  timeoutSeconds: 15,
  memoryMegabytes: 512,
  concurrency: 20,
  database: false,
  redisTimeoutMilliseconds: 1000,
  settings: {
    ...common,
    ...redis,
    ...accessTokens,
    ...transactionsQueue,
    ...bufferBudget,
    ...rateLimit,
    ...github,
    /** the private key that signs access tokens; its public half is among JWT_PUBLIC_JWKS */
    JWT_SIGNING_JWK: secret(json(signingKey), 'jwt', 'signing'),
    /** origins whose pages may start logins and use sessions */
    FRONTEND_ORIGINS: { schema: origins, source: { kind: 'frontendOrigins' } },
    /** Length of a session, after which the user must log in again. */
    SESSION_HOURS: setting(positiveInteger, '12'),
    /** A session lasts this much longer while main or GitHub is unreachable. */
    OUTAGE_SESSION_HOURS: setting(positiveInteger, '24'),
    /** per source address, before a login */
    LOGINS_PER_SECOND: setting(positiveInteger, '10'),
    TICKETS_PER_SECOND: setting(positiveInteger, '10'),
  },
} as const satisfies FunctionSpec;
