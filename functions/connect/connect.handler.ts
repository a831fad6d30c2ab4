/** The WebSocket API: opens connections with a ticket, subscribes them to the channel of their path, and answers messages. */
import middy from '@middy/core';
import type { APIGatewayProxyWebsocketEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { unregister } from '../../lib/sockets/connections.ts';
import { isLeased } from '../../lib/change-feed/lease.ts';
import { broadcasterStarter } from '../../lib/change-feed/start-broadcaster.ts';
import { connectionPoster } from '../../lib/sockets/post.ts';
import { inTurn } from '../../lib/sockets/turn.ts';
import { connect } from '../../lib/function/connect.ts';
import { traced } from '../../lib/function/traced.ts';
import { answerMessage, isNumbered, readMessage, type Answer } from './answer-message.ts';
import { spec } from './connect.function.ts';
import { openConnection } from './open-connection.ts';

type Event = APIGatewayProxyWebsocketEventV2 & {
  readonly body?: string;
  readonly queryStringParameters?: Readonly<Record<string, string | undefined>>;
};

const connected = connect(spec, ({ settings, site, log }) => {
  const startBroadcaster = broadcasterStarter(settings.BROADCAST_FUNCTION_NAME);
  return {
    ...site,
    ...connectionPoster(settings.WEBSOCKET_ENDPOINT),
    socketsPerUser: settings.SOCKETS_PER_USER,
    log,
    /** No race: a broadcaster checks for connections once more after it has released its lease. */
    needBroadcaster: async () => {
      if (!(await isLeased(site))) await startBroadcaster();
    },
  };
});

export const handler = traced(
  middy<Event, APIGatewayProxyStructuredResultV2>()
    .onError(({ error, event }) => {
      connected().log.error('unexpected error', { route: event.requestContext.routeKey, error });
      return { statusCode: 503 };
    })
    .handler(async (event) => {
      switch (event.requestContext.routeKey) {
        case '$connect': {
          const { connectionId, connectedAt } = event.requestContext;
          const { ticket = '', channel } = event.queryStringParameters ?? {};
          return {
            statusCode: await openConnection(connected(), { connectionId, connectedAt, ticket, channel }),
          };
        }
        case '$disconnect':
          await unregister(connected(), event.requestContext.connectionId);
          return { statusCode: 200 };
        default:
          return receive(event);
      }
    }),
);

/** Answers messages of a connection in order: a reply is sent before the next message is processed. */
async function receive({ requestContext, body = '' }: Event): Promise<APIGatewayProxyStructuredResultV2> {
  const { redis, keys, post } = connected();
  const { connectionId, messageId, requestTimeEpoch: receivedAt } = requestContext;
  const message = readMessage(body);
  const answer = () => answerMessage({ redis, keys }, connectionId, message, receivedAt);
  // the client matches the answer by its number, so the order does not matter
  if (isNumbered(message)) return reply(await answer());
  return inTurn({ redis, keys, now: Date.now }, { connectionId, messageId, receivedAt }, async () => {
    const { reply: text, ...rest } = await answer();
    const outcome = text === undefined ? 'gone' : await post(connectionId, text).catch(() => 'failed');
    return reply({ ...rest, ...(outcome === 'failed' && { reply: text }) });
  });
}

async function reply({ reply: body, needsBroadcaster }: Answer): Promise<APIGatewayProxyStructuredResultV2> {
  if (needsBroadcaster) await connected().needBroadcaster();
  return { statusCode: 200, ...(body !== undefined && { body }) };
}
