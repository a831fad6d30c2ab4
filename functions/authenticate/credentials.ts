import type { JSONWebKeySet } from 'jose';
import { randomBytes } from 'node:crypto';
import { inTime } from '../../lib/audit/record-change.ts';
import { publicKeysOf } from '../../lib/credentials/access-token.ts';
import {
  createTicket as ticketContract,
  readJwks as jwksContract,
  readMe as meContract,
} from '../../lib/credentials/operations.ts';
import { issueTicket, ticketLifeSeconds } from '../../lib/credentials/ticket.ts';
import { answer } from '../../lib/http/operation.ts';
import { problem } from '../../lib/http/problem.ts';
import { isWithinRate } from '../../lib/redis/rate.ts';
import type { Site } from '../../lib/redis/site.ts';
import { describeMe } from './me.ts';

export interface CredentialParts extends Site {
  readonly publishedKeys: JSONWebKeySet;
  readonly ticketsPerSecond: number;
}

/** Cache time. Short enough, since a key is published before it signs and until its tokens have expired. */
const jwksSeconds = 300;

export const readJwks = answer(jwksContract, async (_request, { publishedKeys }: CredentialParts) => ({
  status: 200,
  body: publicKeysOf(publishedKeys),
  headers: { 'Cache-Control': `public, max-age=${jwksSeconds}` },
}));

export const readMe = answer(meContract, async ({ principal }, parts: CredentialParts) => ({
  status: 200,
  body: await describeMe(parts, principal),
}));

export const createTicket = answer(
  ticketContract,
  async ({ principal, receivedAt }, { redis, keys, ticketsPerSecond }: CredentialParts) => {
    const second = String(Math.floor(receivedAt / 1000));
    const rate = keys.rate(`ticket:${principal.id}`, second);
    const isWithin = await inTime(isWithinRate(redis, rate, ticketsPerSecond));
    if (!isWithin) throw problem.tooManyRequests('Too many tickets. Please try again a little later.', 1);
    const ticket = await inTime(issueTicket({ redis, keys }, principal, randomBytes(32)));
    return { status: 201, body: { ticket, expires_in: ticketLifeSeconds } };
  },
);
