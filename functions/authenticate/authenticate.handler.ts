import { randomBytes } from 'node:crypto';
import { publicKeysOf } from '../../lib/auth/access-token.ts';
import { authenticate } from '../../lib/auth/authenticate.ts';
import { connectAuthentication } from '../../lib/auth/connect-authentication.ts';
import { rolePermissions } from '../../lib/auth/permissions.ts';
import { inTime } from '../../lib/auth/record-change.ts';
import { readSession } from '../../lib/auth/session.ts';
import { requirePublished } from '../../lib/auth/signing-key.ts';
import { issueTicket, ticketLifeSeconds } from '../../lib/auth/ticket.ts';
import { findToken, listTokens } from '../../lib/auth/token-store.ts';
import { listUsers } from '../../lib/auth/user-store.ts';
import { parse } from '../../lib/http/parse.ts';
import { problem } from '../../lib/http/problem.ts';
import { countRequest, rateLimiter } from '../../lib/http/rate-limit.ts';
import { serve, type Reply, type Request } from '../../lib/http/serve.ts';
import { recordId } from '../../lib/observation/executed-obs-unit.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { isWithinRate } from '../../lib/redis/rate.ts';
import {
  exchangeCode,
  finishLogin,
  logOut,
  refreshSession,
  startLogin,
  type SessionParts,
} from './sessions.ts';
import { settings } from './settings.ts';
import { createBody, createToken, revoke, shown, type TokenParts } from './tokens.ts';
import { changeUser, shownUser, userBody, userId } from './users.ts';

requirePublished(settings.JWT_SIGNING_JWK, settings.JWT_PUBLIC_JWKS);

const parts: TokenParts & SessionParts = {
  ...connectAuthentication(settings, 1000),
  queue: new Queue({ url: settings.TRANSACTIONS_QUEUE_URL }),
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
  signingKey: settings.JWT_SIGNING_JWK,
  accessToken: { issuer: settings.JWT_ISSUER, audience: settings.JWT_AUDIENCE },
  frontendOrigins: settings.FRONTEND_ORIGINS,
  teamRoles: settings.GITHUB_TEAM_ROLES,
  memberRole: settings.GITHUB_MEMBER_ROLE,
  sessionSeconds: settings.SESSION_HOURS * 3600,
  outageSeconds: settings.OUTAGE_SESSION_HOURS * 3600,
};

/** Who has no credential yet is counted by address. */
const loginLimiter = rateLimiter(parts.redis, `${settings.REDIS_PREFIX}:login`, settings.LOGINS_PER_SECOND);

const open =
  (step: (parts: SessionParts, request: Request) => Promise<Reply>) => async (request: Request) => {
    await countRequest(loginLimiter, request, request.sourceIp);
    return step(parts, request);
  };

/** A key is published before it signs, and as long as what it has signed is valid. */
const jwksSeconds = 300;

export const handler = serve('authenticate', {
  readJwks: async () => ({
    status: 200,
    body: publicKeysOf(settings.JWT_PUBLIC_JWKS),
    headers: { 'Cache-Control': `public, max-age=${jwksSeconds}` },
  }),

  readMe: async (request) => {
    const { id, name, role, permissions, credential, expiresAt, sessionId } = await authenticate(
      parts,
      request,
    );
    const session = sessionId && (await inTime(readSession(parts.redis, parts.keys, sessionId)));
    return {
      status: 200,
      body: {
        id,
        name,
        role,
        permissions,
        credential,
        ...(expiresAt !== undefined && { expires_at: new Date(expiresAt * 1000).toISOString() }),
        ...(session && {
          session: { ends_at: new Date(session.endsAt * 1000).toISOString(), extended: session.extended },
        }),
      },
    };
  },

  startLogin: open(startLogin),
  finishLogin: open(finishLogin),
  exchangeCode: open(exchangeCode),
  refreshSession: open(refreshSession),
  logOut: open(logOut),

  listUsers: async (request) => {
    await authenticate(parts, request);
    return { status: 200, body: (await inTime(listUsers(parts.redis, parts.keys))).map(shownUser) };
  },

  changeUser: async (request) => {
    const admin = await authenticate(parts, request);
    const id = parse(userId, request.params.id);
    const changed = await changeUser(parts, request, admin, id, parse(userBody, request.body));
    return { status: 200, body: shownUser(changed) };
  },

  createToken: async (request) => {
    const owner = await authenticate(parts, request);
    const { token, stored } = await createToken(parts, request, owner, parse(createBody, request.body));
    return { status: 201, body: { ...shown(stored), token } };
  },

  listTokens: async (request) => {
    const { id } = await authenticate(parts, request);
    return { status: 200, body: (await listTokens(parts.redis, parts.keys, id)).map(shown) };
  },

  rotateToken: async (request) => {
    const owner = await authenticate(parts, request);
    const old = await findToken(parts.redis, parts.keys, parse(recordId, request.params.id));
    if (!old || old.principal !== owner.id || old.revoked) {
      throw problem.notFound('There is no such token of yours.');
    }
    const { name, permissions: scopes, expiresAt, createdAt, id } = old;
    const days = expiresAt && Math.max(1, Math.ceil((expiresAt - createdAt) / (24 * 3600)));
    const held = scopes.filter((each) => owner.permissions.some((own) => own === each));
    if (held.length === 0) throw problem.forbidden('You do not have any of its scopes yourself any more.');
    const wanted = { name, scopes: held, expires_in_days: days };
    const { token, stored } = await createToken(parts, request, owner, wanted, id);
    await revoke(parts, request, owner, id);
    return { status: 201, body: { ...shown(stored), token } };
  },

  revokeToken: async (request) => {
    const asker = await authenticate(parts, request);
    const ended = await revoke(parts, request, asker, parse(recordId, request.params.id));
    return { status: 200, body: shown(ended) };
  },

  listScopes: async (request) => {
    const { role } = await authenticate(parts, request);
    return { status: 200, body: rolePermissions[role] };
  },

  createTicket: async (request) => {
    const principal = await authenticate(parts, request);
    const { redis, keys } = parts;
    const isWithin = await isWithinRate(
      redis,
      keys.rate(`ticket:${principal.id}`, String(Math.floor(request.receivedAt / 1000))),
      settings.TICKETS_PER_SECOND,
    );
    if (!isWithin) throw problem.tooManyRequests('Too many tickets. Please ask again a little later.', 1);
    const ticket = await issueTicket(redis, keys, principal, randomBytes(32));
    return { status: 201, body: { ticket, expires_in: ticketLifeSeconds } };
  },
});
