/** Tickets let a browser open a WebSocket, which cannot send a header, without a lasting credential in a URL. */
import * as z from 'zod/mini';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { hashToken } from './api-token.ts';
import { permissions, roles } from './permissions.ts';
import type { Principal } from './principal.ts';

export const ticketLifeSeconds = 30;

const holder = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(roles),
  permissions: z.array(z.enum(permissions)),
  credential: z.enum(['session', 'api-token']),
  sessionId: z.optional(z.string()),
  tokenId: z.optional(z.string()),
  tokenHash: z.optional(z.string()),
  expiresAt: z.optional(z.number()),
});

/** @param random 32 random bytes: the ticket */
export async function issueTicket(
  redis: Redis,
  keys: Keys,
  principal: Principal,
  random: Uint8Array,
): Promise<string> {
  const ticket = Buffer.from(random).toString('base64url');
  await redis.set(keys.ticket(hashToken(ticket)), JSON.stringify(principal), { ex: ticketLifeSeconds });
  return ticket;
}

/** Takes a ticket, once: whoever comes second gets undefined, as for an unknown or expired one. */
export async function redeemTicket(redis: Redis, keys: Keys, ticket: string): Promise<Principal | undefined> {
  const found = await redis.getdel<string>(keys.ticket(hashToken(ticket)));
  return found === null ? undefined : holder.parse(JSON.parse(found));
}
