import { randomBytes } from 'node:crypto';
import { publicKeysOf } from '../../lib/credentials/access-token.ts';
import { authenticate } from '../../lib/credentials/authenticate.ts';
import { connectAuthentication } from '../../lib/credentials/connect-authentication.ts';
import { requirePeople } from '../../lib/credentials/check-credential.ts';
import { inTime } from '../../lib/audit/record-change.ts';
import { readRefreshToken } from '../../lib/sessions/session.ts';
import { deriveKey, requirePublished } from '../../lib/credentials/signing-key.ts';
import { issueTicket, ticketLifeSeconds } from '../../lib/credentials/ticket.ts';
import { listTokens } from '../../lib/tokens/token-store.ts';
import { listUsers } from '../../lib/users/user-store.ts';
import { requireAccess } from '../../lib/credentials/require-access.ts';
import { connect } from '../../lib/function/connect.ts';
import { nextLink, readCursor, writeCursor } from '../../lib/http/page.ts';
import { parse } from '../../lib/http/parse.ts';
import { problem } from '../../lib/http/problem.ts';
import { countRequest, rateLimiter } from '../../lib/http/rate-limit.ts';
import { serve, type Reply, type Request } from '../../lib/http/serve.ts';
import { recordId } from '../../lib/observation/executed-obs-unit.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { isWithinRate } from '../../lib/redis/rate.ts';
import { spec } from './authenticate.function.ts';
import { readCookie } from './cookies.ts';
import { exchangeCode, finishLogin, startLogin, type LoginParts } from './login.ts';
import { describeMe } from './me.ts';
import { rotateToken } from './rotate-token.ts';
import { logOut, refreshSession } from './session.ts';
import { createBody, createToken, revoke, shown, tokensQuery } from './tokens.ts';
import { changeUser, shownUser, userBody, userId, usersCursor, usersQuery } from './users.ts';

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

type Step = (parts: LoginParts, request: Request) => Promise<Reply>;

/** Who has no credential yet is counted by address. */
const byAddress = (step: Step) => async (request: Request) => {
  await countRequest(parts().loginLimiter, request, request.sourceIp);
  return step(parts(), request);
};

/** Who has a session is counted by it: many people may come from one address. */
const bySession = (step: Step) => async (request: Request) => {
  const { redis, keys } = parts();
  const id = readRefreshToken(readCookie(request, 'refresh'))?.sessionId;
  const isOne = id !== undefined && (await inTime(redis.exists(keys.session(id)))) === 1;
  await countRequest(parts().loginLimiter, request, isOne ? id : request.sourceIp);
  return step(parts(), request);
};

/** A key is published before it signs, and as long as what it has signed is valid. */
const jwksSeconds = 300;

export const handler = serve('authenticate', {
  readJwks: async () => ({
    status: 200,
    body: publicKeysOf(parts().publishedKeys),
    headers: { 'Cache-Control': `public, max-age=${jwksSeconds}` },
  }),

  readMe: async (request) => ({
    status: 200,
    body: await describeMe(parts(), await authenticate(parts(), request)),
  }),

  startLogin: byAddress(startLogin),
  finishLogin: byAddress(finishLogin),
  exchangeCode: byAddress(exchangeCode),
  refreshSession: bySession(refreshSession),
  logOut: bySession(logOut),

  listUsers: async (request) => {
    await authenticate(parts(), request);
    const { limit, cursor } = parse(usersQuery, request.query);
    const [after] = cursor === undefined ? [] : readCursor(usersCursor, cursor);
    // a Redis that has forgotten people would leave them out
    await requirePeople(parts());
    const { users, next } = await inTime(listUsers(parts(), limit, after));
    const headers = next === undefined ? {} : nextLink(request, writeCursor(next));
    return { status: 200, body: users.map(shownUser), headers };
  },

  changeUser: async (request) => {
    const admin = await authenticate(parts(), request);
    const id = parse(userId, request.params.id, 'id');
    const changed = await changeUser(parts(), request, admin, id, parse(userBody, request.body));
    return { status: 200, body: shownUser(changed) };
  },

  createToken: async (request) => {
    const owner = await authenticate(parts(), request);
    const { token, stored } = await createToken(parts(), request, owner, parse(createBody, request.body));
    return { status: 201, body: { ...shown(stored), token } };
  },

  listTokens: async (request) => {
    const asker = await authenticate(parts(), request);
    const { owner = asker.id } = parse(tokensQuery, request.query);
    if (owner !== asker.id) requireAccess(asker, 'manage:users');
    await requirePeople(parts());
    const tokens = await inTime(listTokens(parts(), owner));
    return { status: 200, body: tokens.map(shown) };
  },

  rotateToken: async (request) => {
    const owner = await authenticate(parts(), request);
    const id = parse(recordId, request.params.id, 'id');
    const { token, stored, hasEnded } = await rotateToken(parts(), request, owner, id);
    return { status: 201, body: { ...shown(stored), token, replaces: { id, has_ended: hasEnded } } };
  },

  revokeToken: async (request) => {
    const asker = await authenticate(parts(), request);
    const ended = await revoke(parts(), request, asker, parse(recordId, request.params.id, 'id'));
    return { status: 200, body: shown(ended) };
  },

  listScopes: async (request) => {
    const { permissions } = await authenticate(parts(), request);
    return { status: 200, body: permissions };
  },

  createTicket: async (request) => {
    const principal = await authenticate(parts(), request);
    const { redis, keys } = parts();
    const second = String(Math.floor(request.receivedAt / 1000));
    const rate = keys.rate(`ticket:${principal.id}`, second);
    const isWithin = await inTime(isWithinRate(redis, rate, parts().ticketsPerSecond));
    if (!isWithin) throw problem.tooManyRequests('Too many tickets. Please ask again a little later.', 1);
    const ticket = await inTime(issueTicket({ redis, keys }, principal, randomBytes(32)));
    return { status: 201, body: { ticket, expires_in: ticketLifeSeconds } };
  },
});
