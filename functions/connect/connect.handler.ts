/** The WebSocket API: a ticket opens a connection, which is subscribed to the channel of its path. */
import middy from '@middy/core';
import type { APIGatewayProxyWebsocketEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { redeemTicket } from '../../lib/auth/ticket.ts';
import { register, unregister } from '../../lib/change-feed/connections.ts';
import { isLeased } from '../../lib/change-feed/lease.ts';
import { broadcasterStarter } from '../../lib/change-feed/start-broadcaster.ts';
import { channelPermissions, isChannel } from '../../lib/change-feed/channels.ts';
import { logLevel } from '../../lib/config/log-level.ts';
import { createLog } from '../../lib/observability/log.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { settings } from './settings.ts';

type Event = APIGatewayProxyWebsocketEventV2 & {
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
      default:
        return { statusCode: 200 };
    }
  });

async function connect(event: Event): Promise<APIGatewayProxyStructuredResultV2> {
  const { ticket = '', channel = '' } = event.queryStringParameters ?? {};
  const principal = ticket === '' ? undefined : await redeemTicket(redis, keys, ticket);
  if (!principal) return { statusCode: 401 };
  if (!isChannel(channel)) return { statusCode: 404 };
  if (!principal.permissions.includes(channelPermissions[channel])) return { statusCode: 403 };
  const { connectionId: id, connectedAt } = event.requestContext;
  const connection = { id, principal: principal.id, channel, connectedAt };
  const hasRoom = await register(redis, keys, connection, settings.SOCKETS_PER_USER);
  if (!hasRoom) return { statusCode: 429 };
  // A broadcaster looks for connections once more after it has given up its lease: one of the two sees the other.
  if (!(await isLeased(redis, keys))) await startBroadcaster();
  return { statusCode: 200 };
}
