import * as z from 'zod/mini';
import { teamRoles } from '../../lib/login/github.ts';
import { roles } from '../../lib/people/permissions.ts';
import { signingKey } from '../../lib/credentials/signing-key.ts';
import { json, positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { accessTokenVariables, redisVariables } from '../../lib/config/variables.ts';

const origins = z.pipe(
  z.pipe(
    text,
    z.transform((list) => list.split(',').map((each) => each.trim())),
  ),
  z.array(z.string().check(z.regex(/^https?:\/\/[^/]+$/, 'must be origins, separated by commas'))),
);

export const settings = readEnvironment({
  ...redisVariables,
  ...accessTokenVariables,
  JWT_SIGNING_JWK: json(signingKey),
  FRONTEND_ORIGINS: origins,
  GITHUB_URL: text,
  GITHUB_API_URL: text,
  GITHUB_CLIENT_ID: text,
  GITHUB_CLIENT_SECRET: text,
  GITHUB_CALLBACK_URL: text,
  GITHUB_ORGANIZATION: text,
  GITHUB_TEAM_ROLES: json(teamRoles),
  GITHUB_MEMBER_ROLE: z.enum(roles),
  SESSION_HOURS: positiveInteger,
  OUTAGE_SESSION_HOURS: positiveInteger,
  TICKETS_PER_SECOND: positiveInteger,
  LOGINS_PER_SECOND: positiveInteger,
  TRANSACTIONS_QUEUE_URL: text,
  BUFFER_BUDGET_BYTES: positiveInteger,
  RATE_LIMIT_PER_SECOND: positiveInteger,
});
