/** Logins, sessions, users, API tokens and tickets. */
import { serve } from '../../lib/api/serve.ts';
import { inTime } from '../../lib/audit/record-change.ts';
import { authenticate } from '../../lib/credentials/authenticate.ts';
import { connectAuthentication } from '../../lib/credentials/connect-authentication.ts';
import { deriveKey, requirePublished } from '../../lib/credentials/signing-key.ts';
import { connect } from '../../lib/function/connect.ts';
import { countRequest, rateLimiter } from '../../lib/http/rate-limit.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { readRefreshToken } from '../../lib/sessions/session.ts';
import { spec } from './authenticate.function.ts';
import { readCookie } from './cookies.ts';
import { createTicket, readJwks, readMe } from './credentials.ts';
import { exchangeCode, finishLogin, startLogin } from './login.ts';
import { logOut, refreshSession } from './session.ts';
import { createToken, listScopes, listTokens, revokeToken, rotateToken } from './token-steps.ts';
import { changeUser, listUsers } from './user-steps.ts';

const parts = connect(spec, ({ settings, site, log }) => {
  const { JWT_SIGNING_JWK: signingKey, JWT_PUBLIC_JWKS: publishedKeys } = settings;
  requirePublished(signingKey, publishedKeys);
  return {
    ...connectAuthentication(settings, site),
    queue: new Queue({ url: settings.TRANSACTIONS_QUEUE_URL }),
    log,
    now: Date.now,
    limits: {
      requestsPerSecond: settings.RATE_LIMIT_PER_SECOND,
      budgetBytes: settings.BUFFER_BUDGET_BYTES,
    },
    github: {
      url: settings.GITHUB_URL,
      apiUrl: settings.GITHUB_API_URL,
      clientId: settings.GITHUB_CLIENT_ID,
      clientSecret: settings.GITHUB_CLIENT_SECRET,
      callbackUrl: settings.GITHUB_CALLBACK_URL,
      organization: settings.GITHUB_ORGANIZATION,
    },
    publishedKeys,
    signingKey,
    rotationKey: deriveKey(signingKey, 'rotated tokens'),
    refreshKey: deriveKey(signingKey, 'refresh tokens'),
    accessToken: { issuer: settings.JWT_ISSUER, audience: settings.JWT_AUDIENCE },
    frontendOrigins: settings.FRONTEND_ORIGINS,
    teamRoles: settings.GITHUB_TEAM_ROLES,
    memberRole: settings.GITHUB_MEMBER_ROLE,
    sessionSeconds: settings.SESSION_HOURS * 3600,
    outageSeconds: settings.OUTAGE_SESSION_HOURS * 3600,
    loginLimiter: rateLimiter(site.redis, `${settings.REDIS_PREFIX}:login`, settings.LOGINS_PER_SECOND),
    ticketsPerSecond: settings.TICKETS_PER_SECOND,
  };
});

export const handler = serve('authenticate', {
  parts,
  identify: async (request, connected) => ({ principal: await authenticate(connected, request) }),
  rates: {
    address: (request, { loginLimiter }) => countRequest(loginLimiter, request, request.sourceIp),
    // many users may share an address, so a known session is limited by itself
    session: async (request, { loginLimiter, redis, keys }) => {
      const id = readRefreshToken(readCookie(request, 'refresh'))?.sessionId;
      const isKnown = id !== undefined && (await inTime(redis.exists(keys.session(id)))) === 1;
      await countRequest(loginLimiter, request, isKnown ? id : request.sourceIp);
    },
  },
  steps: {
    readJwks,
    readMe,
    createTicket,
    startLogin,
    finishLogin,
    exchangeCode,
    refreshSession,
    logOut,
    listUsers,
    changeUser,
    listScopes,
    createToken,
    listTokens,
    rotateToken,
    revokeToken,
  },
});
