/** The WebSocket API: a ticket opens a connection, subscribed to the channel of its path if that has one; then messages. */
import middy from '@middy/core';
import type { APIGatewayProxyWebsocketEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { redeemTicket } from '../../lib/auth/ticket.ts';
import { holderOf, register, unregister } from '../../lib/change-feed/connections.ts';
import { answerMessage } from './answer-message.ts';
import { withoutRight } from '../../lib/change-feed/revocation.ts';
import { isLeased } from '../../lib/change-feed/lease.ts';
import { broadcasterStarter } from '../../lib/change-feed/start-broadcaster.ts';
import { permissionOf, readChannel } from '../../lib/change-feed/channels.ts';
import { logLevel } from '../../lib/config/log-level.ts';
import { createLog } from '../../lib/observability/log.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { settings } from './settings.ts';

type Event = APIGatewayProxyWebsocketEventV2 & {
  readonly body?: string;
  readonly queryStringParameters?: Readonly<Record<string, string | undefined>>;
};

const redis = connectRedis({ url: settings.REDIS_URL, token: settings.REDIS_TOKEN });
const keys = keysOf(settings.REDIS_PREFIX);
const startBroadcaster = broadcasterStarter(settings.BROADCAST_FUNCTION_NAME);
const log = createLog(logLevel, { function: 'connect' });

export const handler = middy<Event, APIGatewayProxyStructuredResultV2>()
  .onError(({ error, event }) => {
    log.error('unexpected error', { route: event.requestContext.routeKey, error });
    return { statusCode: 503 };
  })
  .handler(async (event) => {
    switch (event.requestContext.routeKey) {
      case '$connect':
        return connect(event);
      case '$disconnect':
        await unregister(redis, keys, event.requestContext.connectionId);
        return { statusCode: 200 };
      default: {
        const { connectionId, requestTimeEpoch } = event.requestContext;
        const { reply, needsBroadcaster } = await answerMessage(
          { redis, keys },
          connectionId,
          event.body ?? '',
          requestTimeEpoch,
        );
        if (needsBroadcaster) await needBroadcaster();
        return { statusCode: 200, ...(reply !== undefined && { body: reply }) };
      }
    }
  });

async function connect(event: Event): Promise<APIGatewayProxyStructuredResultV2> {
  const { ticket = '', channel: name } = event.queryStringParameters ?? {};
  const principal = ticket === '' ? undefined : await redeemTicket(redis, keys, ticket);
  if (!principal) return { statusCode: 401 };
  const channel = name === undefined ? undefined : readChannel(name);
  if (name !== undefined && !channel) return { statusCode: 404 };
  if (channel && !principal.permissions.includes(permissionOf(channel))) return { statusCode: 403 };
  const { connectionId: id, connectedAt } = event.requestContext;
  // a ticket is no more than the credential that it was given for is now
  const [worthless] = await withoutRight(redis, keys, [{ ...holderOf(principal), id }], connectedAt);
  if (worthless !== undefined) return { statusCode: 401 };
  const connection = { id, principal, connectedAt, ...(channel && { channel: channel.name }) };
  const hasRoom = await register(redis, keys, connection, settings.SOCKETS_PER_USER);
  if (!hasRoom) return { statusCode: 429 };
  if (channel) await needBroadcaster();
  return { statusCode: 200 };
}

/** A broadcaster looks for connections once more after it has given up its lease: one of the two sees the other. */
async function needBroadcaster(): Promise<void> {
  if (!(await isLeased(redis, keys))) await startBroadcaster();
}
