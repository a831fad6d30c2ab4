/** The WebSocket API: a ticket opens a connection, subscribed to the channel of its path if that has one; then messages. */
import middy from '@middy/core';
import type { APIGatewayProxyWebsocketEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { unregister } from '../../lib/change-feed/connections.ts';
import { isLeased } from '../../lib/change-feed/lease.ts';
import { broadcasterStarter } from '../../lib/change-feed/start-broadcaster.ts';
import { connectionPoster } from '../../lib/change-feed/post.ts';
import { inTurn } from '../../lib/change-feed/turn.ts';
import { logLevel } from '../../lib/config/log-level.ts';
import { createLog } from '../../lib/observability/log.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { answerMessage, isNumbered, readMessage, type Answer } from './answer-message.ts';
import { connect } from './connect.ts';
import { settings } from './settings.ts';

type Event = APIGatewayProxyWebsocketEventV2 & {
  readonly body?: string;
  readonly queryStringParameters?: Readonly<Record<string, string | undefined>>;
};

const redis = connectRedis({ url: settings.REDIS_URL, token: settings.REDIS_TOKEN });
const keys = keysOf(settings.REDIS_PREFIX);
const { post, isOpen } = connectionPoster(settings.WEBSOCKET_ENDPOINT);
const startBroadcaster = broadcasterStarter(settings.BROADCAST_FUNCTION_NAME);
const log = createLog(logLevel, { function: 'connect' });

export const handler = middy<Event, APIGatewayProxyStructuredResultV2>()
  .onError(({ error, event }) => {
    log.error('unexpected error', { route: event.requestContext.routeKey, error });
    return { statusCode: 503 };
  })
  .handler(async (event) => {
    switch (event.requestContext.routeKey) {
      case '$connect': {
        const { connectionId, connectedAt } = event.requestContext;
        const { ticket = '', channel } = event.queryStringParameters ?? {};
        const parts = { redis, keys, isOpen, needBroadcaster, socketsPerUser: settings.SOCKETS_PER_USER };
        return { statusCode: await connect(parts, { connectionId, connectedAt, ticket, channel }) };
      }
      case '$disconnect':
        await unregister({ redis, keys }, event.requestContext.connectionId);
        return { statusCode: 200 };
      default:
        return receive(event);
    }
  });

/** A reply is sent before the next message of the connection has its turn. */
async function receive({ requestContext, body = '' }: Event): Promise<APIGatewayProxyStructuredResultV2> {
  const { connectionId, messageId, requestTimeEpoch: receivedAt } = requestContext;
  const message = readMessage(body);
  const answer = () => answerMessage({ redis, keys }, connectionId, message, receivedAt);
  // its number distinguishes the answers to it
  if (isNumbered(message)) return reply(await answer());
  return inTurn({ redis, keys, now: Date.now }, { connectionId, messageId, receivedAt }, async () => {
    const { reply: text, ...rest } = await answer();
    const outcome = text === undefined ? 'gone' : await post(connectionId, text).catch(() => 'failed');
    return reply({ ...rest, ...(outcome === 'failed' && { reply: text }) });
  });
}

async function reply({ reply: body, needsBroadcaster }: Answer): Promise<APIGatewayProxyStructuredResultV2> {
  if (needsBroadcaster) await needBroadcaster();
  return { statusCode: 200, ...(body !== undefined && { body }) };
}

/** A broadcaster looks for connections once more after it has given up its lease: one of the two sees the other. */
async function needBroadcaster(): Promise<void> {
  if (!(await isLeased({ redis, keys }))) await startBroadcaster();
}
