/** Tickets let a browser open a WebSocket, which cannot send a header, without a lasting credential in a URL. */
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

/** @returns undefined if it is unknown, spent or has expired. It is spent with the registration of its connection. */
export async function readTicket({ redis, keys }: Site, ticket: string): Promise<Principal | undefined> {
  const found = await redis.get<string>(ticketKey(keys, ticket));
  return found === null ? undefined : holder.parse(JSON.parse(found));
}

export function ticketKey(keys: Keys, ticket: string): string {
  return keys.ticket(hashToken(ticket));
}

/** Gives a ticket back that was spent for a connection which then was refused. */
export async function restoreTicket(
  { redis, keys }: Site,
  ticket: string,
  principal: Principal,
): Promise<void> {
  await redis.set(ticketKey(keys, ticket), JSON.stringify(principal), { ex: ticketLifeSeconds });
}
