/** The registry of open WebSockets with their users and subscriptions. */
import * as z from 'zod/mini';
import { permissions as allPermissions, type Permission } from '../people/permissions.ts';
import type { Principal } from '../people/principal.ts';
import { redisHash } from '../redis/hash.ts';
import {
  changeSubscriptionScript,
  saveSubscriptionsScript,
  registerConnectionScript,
} from '../redis/generated/scripts.ts';
import { streams } from '../change-feed/streams.ts';
import type { Site } from '../redis/site.ts';

/** API Gateway closes a connection after two hours. */
const lifeSeconds = 7200;
export const subscriptionsPerConnection = 20;

/** The position of a client. */
export interface Since {
  readonly epoch: string;
  readonly position: string;
}

export interface Subscription {
  readonly channel: string;
  /** position that the client has */
  readonly since?: Since;
  /** its snapshot has been sent, and it continues at the position of the broadcaster */
  readonly live: boolean;
  /** increases with each `subscribe` of the client */
  readonly asked: number;
  /** the client's number of the subscription, which answers repeat */
  readonly request?: number;
  /** it cannot continue from its position: its next snapshot is marked `gap` */
  readonly gap?: true;
}

/** The credential with which a connection was opened. */
export interface Holder {
  /** user id */
  readonly principal: string;
  readonly permissions: readonly Permission[];
  readonly sessionId?: string;
  /** SHA-256 of the API token */
  readonly tokenHash?: string;
  /** unix seconds at which the credential expires */
  readonly expiresAt?: number;
}

export interface Connection extends Holder {
  readonly id: string;
  /** epoch ms */
  readonly connectedAt: number;
  readonly subscriptions: readonly Subscription[];
}

export interface NewConnection {
  readonly id: string;
  readonly principal: Principal;
  /** subscribed to from the start */
  readonly channel?: string;
  /** epoch ms */
  readonly connectedAt: number;
  /** key of the ticket that the registration spends */
  readonly ticketKey?: string;
}

/** @returns `full` if the user has reached the limit of connections, `spent` if the ticket is no longer valid */
export async function register(
  { redis, keys }: Site,
  { id, principal, channel, connectedAt, ticketKey }: NewConnection,
  limit: number,
): Promise<'done' | 'full' | 'spent'> {
  const answer = await registerConnectionScript(
    redis,
    [
      keys.connections,
      keys.connectionsOf(principal.id),
      keys.connection(id),
      keys.feed(streams.connections.stream),
      ...(ticketKey === undefined ? [] : [ticketKey]),
    ],
    [
      JSON.stringify({
        id,
        channel,
        connected_at: connectedAt,
        limit,
        life_seconds: lifeSeconds,
        wakes: streams.connections.wakes,
      }),
      JSON.stringify(holderOf(principal)),
    ],
  );
  return z.enum(['done', 'full', 'spent']).parse(answer);
}

/** The oldest connections of a user. @param count maximum number */
export async function oldestConnectionsOf(
  { redis, keys }: Site,
  principal: string,
  count: number,
): Promise<string[]> {
  return z.array(z.string()).parse(await redis.zrange(keys.connectionsOf(principal), 0, count - 1));
}

const holder = z.object({
  principal: z.string(),
  permissions: z.array(z.enum(allPermissions)),
  sessionId: z.optional(z.string()),
  tokenHash: z.optional(z.string()),
  expiresAt: z.optional(z.number()),
});

export function holderOf({ id, permissions, sessionId, tokenHash, expiresAt }: Principal): Holder {
  return {
    principal: id,
    permissions,
    ...(sessionId !== undefined && { sessionId }),
    ...(tokenHash !== undefined && { tokenHash }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

/**
 * Subscribes, or restarts an existing subscription; `remove` ends it. An earlier `request` never overrides a later one.
 */
export async function changeSubscription(
  { redis, keys }: Site,
  id: string,
  change: {
    readonly channel: string;
    readonly since?: Since;
    readonly remove?: true;
    readonly request?: number;
  },
): Promise<'done' | 'full' | 'gone'> {
  const answer = await changeSubscriptionScript(
    redis,
    [keys.connection(id), keys.feed(streams.connections.stream)],
    [JSON.stringify({ id, ...change, most: subscriptionsPerConnection, wakes: streams.connections.wakes })],
  );
  return z.enum(['done', 'full', 'gone']).parse(answer);
}

/**
 * Saves the state of subscriptions for the next broadcaster: `live`, or the position that the client has. A subscription that the client
 * has restarted meanwhile is not changed.
 */
export async function saveSubscriptions(
  { redis, keys }: Site,
  changes: readonly (Subscription & { readonly id: string })[],
): Promise<void> {
  for (let from = 0; from < changes.length; from += 500) {
    const chunk = changes.slice(from, from + 500);
    await saveSubscriptionsScript(
      redis,
      chunk.map(({ id }) => keys.connection(id)),
      chunk.map(({ id: _id, ...subscription }) => JSON.stringify(subscription)),
    );
  }
}

export async function unregister(site: Site, id: string): Promise<void> {
  const [found] = await readConnections(site, [id]);
  const pipeline = site.redis.multi();
  pipeline.zrem(site.keys.connections, id);
  pipeline.del(site.keys.connection(id));
  if (found) pipeline.zrem(site.keys.connectionsOf(found.principal), id);
  pipeline.xadd(site.keys.feed(streams.connections.stream), '*', { record: id });
  await pipeline.exec();
}

/** Whether any possibly open connection has a subscription. */
export async function isAnyWatching(site: Site, nowMilliseconds: number): Promise<boolean> {
  const ids = await listConnections(site, nowMilliseconds);
  for (let from = 0; from < ids.length; from += 500) {
    const connections = await readConnections(site, ids.slice(from, from + 500));
    if (connections.some(({ subscriptions }) => subscriptions.length > 0)) return true;
  }
  return false;
}

/** Ids of connections that may be open. */
export async function listConnections({ redis, keys }: Site, nowMilliseconds: number): Promise<string[]> {
  return z
    .array(z.string())
    .parse(await redis.zrange(keys.connections, nowMilliseconds, '+inf', { byScore: true }));
}

const subscription = z.object({
  since: z.optional(z.object({ epoch: z.string(), position: z.string() })),
  live: z.optional(z.boolean()),
  asked: z.int(),
  request: z.optional(z.int()),
  gap: z.optional(z.literal(true)),
});

export async function readConnections({ redis, keys }: Site, ids: readonly string[]): Promise<Connection[]> {
  const connections: Connection[] = [];
  for (let from = 0; from < ids.length; from += 500) {
    const chunk = ids.slice(from, from + 500);
    const pipeline = redis.pipeline();
    for (const id of chunk) pipeline.hgetall(keys.connection(id));
    const found = z.array(redisHash).parse(await pipeline.exec());
    connections.push(
      ...found.flatMap((each, index) => (each ? readConnection(chunk[index] ?? '', each) : [])),
    );
  }
  return connections;
}

function readConnection(id: string, hash: Readonly<Record<string, string>>): Connection {
  return {
    ...holder.parse(JSON.parse(hash.holder ?? '')),
    id,
    connectedAt: Number(hash.connected_at),
    subscriptions: Object.entries(hash).flatMap(([field, text]) => {
      if (!field.startsWith('sub:')) return [];
      const { live = false, ...rest } = subscription.parse(JSON.parse(text));
      return [{ channel: field.slice('sub:'.length), live, ...rest }];
    }),
  };
}

/** Deletes expired registrations. */
export async function pruneConnections({ redis, keys }: Site, nowMilliseconds: number): Promise<void> {
  await redis.zremrangebyscore(keys.connections, '-inf', nowMilliseconds);
}
