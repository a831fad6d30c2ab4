import type * as z from 'zod/mini';
import { permissionOf, readChannel } from '../../lib/channels/channels.ts';
import {
  changeSubscription,
  readConnections,
  subscriptionsPerConnection,
} from '../../lib/sockets/connections.ts';
import {
  clientMessage,
  errorMessage,
  maxRequestBytes,
  revokedMessage,
  unsubscribedMessage,
} from '../../lib/channels/protocol.ts';
import { withoutRight } from '../../lib/sockets/revocation.ts';
import { isWithinRate } from '../../lib/redis/rate.ts';
import type { Site } from '../../lib/redis/site.ts';

export interface Answer {
  /** sent at once; the messages of a subscription come from the broadcaster */
  readonly reply?: string;
  readonly needsBroadcaster?: boolean;
}

const messagesPerSecond = 20;

/** Never throws: every failure becomes a message with a code. */
export async function answerMessage(
  site: Site,
  id: string,
  message: Message | Malformed,
  nowMilliseconds: number,
): Promise<Answer> {
  if (message === 'too_large') {
    return fail('too_large', `A message may have at most ${maxRequestBytes} bytes.`);
  }
  if (message === 'bad_message') {
    return fail(
      'bad_message',
      'Send {"type": "subscribe" | "unsubscribe" | "ping", …} as asyncapi.json describes.',
    );
  }
  const about = message.type === 'ping' ? undefined : message;
  try {
    const rate = site.keys.messageRate(id, Math.floor(nowMilliseconds / 1000));
    if (!(await isWithinRate(site.redis, rate, messagesPerSecond))) {
      return fail(
        'too_many_messages',
        `A connection may send at most ${messagesPerSecond} messages a second.`,
        about,
      );
    }
    return await perform(site, id, message, nowMilliseconds);
  } catch {
    return fail('unavailable', 'The request could not be processed now. Please send it again.', about);
  }
}

type Message = z.infer<typeof clientMessage>;

type Malformed = 'too_large' | 'bad_message';

export function readMessage(text: string): Message | Malformed {
  if (Buffer.byteLength(text) > maxRequestBytes) return 'too_large';
  try {
    return clientMessage.safeParse(JSON.parse(text)).data ?? 'bad_message';
  } catch {
    return 'bad_message';
  }
}

/** Whether the client has numbered the request, so that its answers carry the number. */
export function isNumbered(message: Message | Malformed): boolean {
  return typeof message === 'object' && 'request' in message && message.request !== undefined;
}

async function perform(site: Site, id: string, message: Message, nowMilliseconds: number): Promise<Answer> {
  switch (message.type) {
    case 'ping':
      if ((await site.redis.exists(site.keys.connection(id))) === 0) return unregistered;
      return { reply: JSON.stringify({ ...message, type: 'pong' }) };
    case 'unsubscribe':
      await changeSubscription(site, id, { ...message, remove: true });
      return { reply: unsubscribedMessage(message) };
    case 'subscribe': {
      const channel = readChannel(message.channel);
      if (!channel) return fail('unknown_channel', `No channel has the name ${message.channel}.`, message);
      const [connection] = await readConnections(site, [id]);
      if (!connection) return unregistered;
      // no broadcaster has checked a connection without subscriptions
      if ((await withoutRight(site, [connection], nowMilliseconds)).length > 0) {
        // the change in the feed makes the broadcaster check and close the connection
        await changeSubscription(site, id, { channel: message.channel, remove: true });
        return { reply: revokedMessage, needsBroadcaster: true };
      }
      const permission = permissionOf(channel);
      if (!connection.permissions.includes(permission)) {
        return fail('forbidden', `This subscription requires the permission ${permission}.`, message);
      }
      const outcome = await changeSubscription(site, id, message);
      if (outcome === 'full') {
        const detail = `A connection may have at most ${subscriptionsPerConnection} subscriptions.`;
        return fail('too_many_subscriptions', detail, message);
      }
      return outcome === 'gone' ? unregistered : { needsBroadcaster: true };
    }
  }
}

/** The registry has lost the connection, so that it would never get a message. */
const unregistered = fail('unregistered', 'This connection is no longer registered. Please connect again.');

function fail(...about: Parameters<typeof errorMessage>): Answer {
  return { reply: errorMessage(...about) };
}
