/** `$connect`: a ticket opens a connection, once. A handshake that is refused spends no ticket and takes no place. */
import { giveTicketBack, readTicket, ticketKey } from '../../lib/credentials/ticket.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { permissionOf, readChannel } from '../../lib/channels/channels.ts';
import {
  holderOf,
  oldestConnectionsOf,
  readConnections,
  register,
  unregister,
  type NewConnection,
} from '../../lib/sockets/connections.ts';
import type { IsOpen } from '../../lib/sockets/post.ts';
import { withoutRight } from '../../lib/sockets/revocation.ts';
import type { Site } from '../../lib/redis/site.ts';

export interface ConnectParts extends Site {
  readonly isOpen: IsOpen;
  readonly needBroadcaster: () => Promise<void>;
  readonly socketsPerUser: number;
}

export interface Handshake {
  readonly connectionId: string;
  /** epoch ms */
  readonly connectedAt: number;
  readonly ticket: string;
  /** subscribed to from the start */
  readonly channel: string | undefined;
}

/** Until `$connect` has returned, the gateway does not know of a connection. */
const openingMilliseconds = 30_000;
const lookedAtAtMost = 50;

/** @returns an HTTP status @throws if it could not be decided: the ticket is still good */
export async function openConnection(parts: ConnectParts, handshake: Handshake): Promise<number> {
  const { keys, needBroadcaster } = parts;
  const { connectionId: id, connectedAt, ticket, channel: name } = handshake;
  const principal = ticket === '' ? undefined : await readTicket(parts, ticket);
  if (!principal) return 401;
  const channel = name === undefined ? undefined : readChannel(name);
  if (name !== undefined && !channel) return 404;
  if (channel && !principal.permissions.includes(permissionOf(channel))) return 403;
  // a ticket is no more than the credential that it was given for is now
  const [worthless] = await withoutRight(parts, [{ ...holderOf(principal), id }], connectedAt);
  if (worthless !== undefined) return 401;
  const connection = { id, principal, connectedAt, ...(channel && { channel: channel.name }) };
  let outcome: Awaited<ReturnType<typeof register>> | undefined;
  try {
    outcome = await registerWithRoom(parts, { ...connection, ticketKey: ticketKey(keys, ticket) });
    if (outcome !== 'done') return outcome === 'full' ? 429 : 401;
    if (channel) await needBroadcaster();
    return 200;
  } catch (error) {
    await takeBack(parts, id, ticket, principal, outcome === 'done');
    throw error;
  }
}

/** Ends of connections are reported at best: those of a user without room are looked at. */
async function registerWithRoom(parts: ConnectParts, connection: NewConnection) {
  const { isOpen, socketsPerUser } = parts;
  const { principal, connectedAt } = connection;
  const outcome = await register(parts, connection, socketsPerUser);
  if (outcome !== 'full') return outcome;
  const oldest = await oldestConnectionsOf(parts, principal.id, lookedAtAtMost);
  const connections = await readConnections(parts, oldest);
  const settled = connections.filter((each) => connectedAt - each.connectedAt > openingMilliseconds);
  const lost = await Promise.all(
    settled.map(async ({ id }) => ((await isOpen(id).catch(() => true)) ? [] : [id])),
  );
  for (const id of lost.flat()) await unregister(parts, id);
  return lost.flat().length === 0 ? outcome : register(parts, connection, socketsPerUser);
}

/** The handshake fails: neither its place nor its ticket is kept from others. */
async function takeBack(
  parts: ConnectParts,
  id: string,
  ticket: string,
  principal: Principal,
  isSpent: boolean,
): Promise<void> {
  await unregister(parts, id).catch(() => undefined);
  if (isSpent) await giveTicketBack(parts, ticket, principal).catch(() => undefined);
}
