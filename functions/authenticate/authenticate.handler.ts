import { randomBytes } from 'node:crypto';
import { publicKeysOf } from '../../lib/auth/access-token.ts';
import { authenticate } from '../../lib/auth/authenticate.ts';
import { connectAuthentication } from '../../lib/auth/connect-authentication.ts';
import { rolePermissions } from '../../lib/auth/permissions.ts';
import { issueTicket, ticketLifeSeconds } from '../../lib/auth/ticket.ts';
import { problem } from '../../lib/http/problem.ts';
import { serve } from '../../lib/http/serve.ts';
import { isWithinRate } from '../../lib/redis/rate.ts';
import { settings } from './settings.ts';

const parts = connectAuthentication(settings, 1000);

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
