import { randomBytes } from 'node:crypto';
import { authenticate } from '../../lib/auth/authenticate.ts';
import { connectAuthentication } from '../../lib/auth/connect-authentication.ts';
import { issueTicket, ticketLifeSeconds } from '../../lib/auth/ticket.ts';
import { problem } from '../../lib/http/problem.ts';
import { serve } from '../../lib/http/serve.ts';
import { isWithinRate } from '../../lib/redis/rate.ts';
import { settings } from './settings.ts';

const parts = connectAuthentication(settings, 1000);

export const handler = serve('authenticate', {
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
