/**
 * Tickets for opening a WebSocket. Browsers cannot send a header with the handshake, and a URL must not contain a long-lived
 * credential.
 */
import * as z from 'zod/mini';
import type { Keys } from '../redis/keys.ts';
import { hashToken } from './api-token.ts';
import { permissions, roles } from '../people/permissions.ts';
import type { Principal } from '../people/principal.ts';
import type { Site } from '../redis/site.ts';

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
export async function issueTicket(site: Site, principal: Principal, random: Uint8Array): Promise<string> {
  const ticket = Buffer.from(random).toString('base64url');
  await restoreTicket(site, ticket, principal);
  return ticket;
}

/** Does not spend the ticket: `register` does. @returns undefined if it is unknown, spent or expired */
export async function readTicket({ redis, keys }: Site, ticket: string): Promise<Principal | undefined> {
  const found = await redis.get<string>(ticketKey(keys, ticket));
  return found === null ? undefined : holder.parse(JSON.parse(found));
}

export function ticketKey(keys: Keys, ticket: string): string {
  return keys.ticket(hashToken(ticket));
}

/** Makes a ticket valid, again if it was spent for a connection that was then refused. */
export async function restoreTicket(
  { redis, keys }: Site,
  ticket: string,
  principal: Principal,
): Promise<void> {
  await redis.set(ticketKey(keys, ticket), JSON.stringify(principal), { ex: ticketLifeSeconds });
}
