/** `$connect`: a ticket opens one connection. A refused handshake does not spend the ticket and does not count as a connection. */
import { restoreTicket, readTicket, ticketKey } from '../../lib/credentials/ticket.ts';
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

/** Until `$connect` has returned, API Gateway does not know the connection. */
const openingMilliseconds = 30_000;
const maxChecked = 50;

/** @returns an HTTP status @throws if a store fails: the ticket remains valid */
export async function openConnection(parts: ConnectParts, handshake: Handshake): Promise<number> {
  const { keys, needBroadcaster } = parts;
  const { connectionId: id, connectedAt, ticket, channel: name } = handshake;
  const principal = ticket === '' ? undefined : await readTicket(parts, ticket);
  if (!principal) return 401;
  const channel = name === undefined ? undefined : readChannel(name);
  if (name !== undefined && !channel) return 404;
  if (channel && !principal.permissions.includes(permissionOf(channel))) return 403;
  // a ticket never grants more than its credential currently does
  const [revoked] = await withoutRight(parts, [{ ...holderOf(principal), id }], connectedAt);
  if (revoked !== undefined) return 401;
  const connection = { id, principal, connectedAt, ...(channel && { channel: channel.name }) };
  let outcome: Awaited<ReturnType<typeof register>> | undefined;
  try {
    outcome = await registerConnection(parts, { ...connection, ticketKey: ticketKey(keys, ticket) });
    if (outcome !== 'done') return outcome === 'full' ? 429 : 401;
    if (channel) await needBroadcaster();
    return 200;
  } catch (error) {
    await undo(parts, id, ticket, principal, outcome === 'done');
    throw error;
  }
}

/** Registers a connection. At the user's limit, first removes dead ones: API Gateway does not report every disconnect. */
async function registerConnection(parts: ConnectParts, connection: NewConnection) {
  const { isOpen, socketsPerUser } = parts;
  const { principal, connectedAt } = connection;
  const outcome = await register(parts, connection, socketsPerUser);
  if (outcome !== 'full') return outcome;
  const oldest = await oldestConnectionsOf(parts, principal.id, maxChecked);
  const connections = await readConnections(parts, oldest);
  const settled = connections.filter((each) => connectedAt - each.connectedAt > openingMilliseconds);
  const lost = await Promise.all(
    settled.map(async ({ id }) => ((await isOpen(id).catch(() => true)) ? [] : [id])),
  );
  for (const id of lost.flat()) await unregister(parts, id);
  return lost.flat().length === 0 ? outcome : register(parts, connection, socketsPerUser);
}

/** Undoes a failed handshake: removes the connection and restores the ticket. */
async function undo(
  parts: ConnectParts,
  id: string,
  ticket: string,
  principal: Principal,
  isSpent: boolean,
): Promise<void> {
  await unregister(parts, id).catch(() => undefined);
  if (isSpent) await restoreTicket(parts, ticket, principal).catch(() => undefined);
}
