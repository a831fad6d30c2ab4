import { randomBytes } from 'node:crypto';
import { publicKeysOf } from '../../lib/auth/access-token.ts';
import { authenticate } from '../../lib/auth/authenticate.ts';
import { connectAuthentication } from '../../lib/auth/connect-authentication.ts';
import { rolePermissions } from '../../lib/auth/permissions.ts';
import { issueTicket, ticketLifeSeconds } from '../../lib/auth/ticket.ts';
import { problem } from '../../lib/http/problem.ts';
import { serve } from '../../lib/http/serve.ts';
import { isWithinRate } from '../../lib/redis/rate.ts';
import { findToken, listTokens } from '../../lib/auth/token-store.ts';
import { parse } from '../../lib/http/parse.ts';
import { recordId } from '../../lib/observation/executed-obs-unit.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { settings } from './settings.ts';
import { createBody, createToken, revoke, shown, type TokenParts } from './tokens.ts';

const parts: TokenParts = {
  ...connectAuthentication(settings, 1000),
  queue: new Queue({ url: settings.TRANSACTIONS_QUEUE_URL }),
  limits: {
    requestsPerSecond: settings.RATE_LIMIT_PER_SECOND,
    budgetBytes: settings.BUFFER_BUDGET_BYTES,
  },
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
    const { id, name, role, permissions, credential, expiresAt } = await authenticate(parts, request);
    return {
      status: 200,
      body: {
        id,
        name,
        role,
        permissions,
        credential,
        ...(expiresAt !== undefined && { expires_at: new Date(expiresAt * 1000).toISOString() }),
      },
    };
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
    const { token, stored } = await createToken(parts, request, owner, {
      name,
      scopes: [...scopes],
      expires_in_days: days,
    });
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
