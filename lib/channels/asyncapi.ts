/** The AsyncAPI document, derived from the channels and the protocol. `npm run asyncapi` writes it to asyncapi.json. */
import { changes } from '../change-feed/streams.ts';
import { channelKinds, channels, nameOf, stateKinds } from './channels.ts';
import { errorCodes, highestRequest } from './protocol.ts';

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const number: Schema = { type: 'integer' };
const described = (schema: Schema, description: string): Schema => ({ ...schema, description });

const request = described(number, 'the client’s number of the request that this answers');
const heading = {
  request,
  channel: text,
  epoch: described(text, 'changes when the feed was lost; positions of another epoch are invalid'),
  position: described(text, 'opaque; new with each update'),
  fence: described(number, 'increases with every broadcaster: ignore messages with a lower one'),
};
const inHeading = ['channel', 'epoch', 'position', 'fence'];

const names = channelKinds.flatMap((kind) => channels[kind].patterns).join(' | ');
const states = stateKinds.map(nameOf).join(', ');
const contents = channelKinds
  .map((kind) => `${channels[kind].patterns[0]}: ${channels[kind].describes}`)
  .join('; ');

const messages = {
  subscribe: message('subscribe', 'Subscribes, or continues from `since`', ['channel'], {
    channel: described(text, names),
    since: {
      type: 'object',
      properties: { epoch: text, position: text },
      required: ['epoch', 'position'],
    },
    request: {
      type: 'integer',
      minimum: 0,
      maximum: highestRequest,
      description:
        'chosen by the client, increasing with each subscription of a socket; answers repeat it. A lower number has no effect on the same channel',
    },
  }),
  unsubscribe: message('unsubscribe', 'Ends a subscription', ['channel'], {
    channel: text,
    request: described(number, 'of the subscription to end; a later one remains'),
  }),
  ping: message('ping', 'Checks that the connection is open and registered', [], {
    id: { type: ['string', 'number'] },
  }),
  snapshot: message('snapshot', 'The state at a position', [...inHeading, 'data'], {
    ...heading,
    part: described(
      number,
      'of a snapshot in several consecutive messages, from 1; if one is missing, subscribe again',
    ),
    parts: number,
    gap: described({ const: true }, 'changes before it may not have been sent one by one'),
    unseen: described(
      text,
      'a source that could not be read (replica), so that records may be missing; another snapshot follows once it can be read',
    ),
    data: { description: contents },
  }),
  update: message('update', 'A change', [...inHeading, 'data'], {
    ...heading,
    change: {
      enum: [...changes.filter((change) => change !== 'reset'), 'left'],
      description:
        'of event channels; changed: by another program at main, or sent late because no replica answered; left: the record no longer belongs to this planned unit',
    },
    record: described(text, 'of executed_obs_units: its id'),
    transaction_id: text,
    data: {
      description:
        'as in a snapshot; for executed_obs_units one record, merged when it is sent; null if it no longer exists or has left the channel; {id, error: too_large, location} if it is too large for a message',
    },
  }),
  resumed: message('resumed', 'Everything after `since` follows', inHeading, heading),
  unsubscribed: message('unsubscribed', 'No further messages of this channel follow', ['channel'], {
    request,
    channel: text,
  }),
  pong: message('pong', 'Answers a ping', [], { id: { type: ['string', 'number'] } }),
  error: message(
    'error',
    'The request was refused; revoked: the connection will be closed; unregistered: connect again; unavailable, too_many_messages: send it again later',
    ['code', 'detail'],
    { request, code: { enum: errorCodes }, detail: text, channel: text },
  ),
};

const asked = ['subscribe', 'unsubscribe', 'ping'];
const sent = ['snapshot', 'update', 'resumed', 'unsubscribed', 'pong', 'error'];

export const asyncApi = {
  asyncapi: '3.0.0',
  info: {
    title: 'ops-db-serverless, live',
    version: '1.0.0',
    description: `Take a ticket with POST /api/ws/ticket, connect within 30 s, subscribe. A snapshot comes first, then everything after its position. Give each subscription an increasing \`request\`, and ignore messages with another one. Replies on a socket come in the order in which its messages arrived; messages sent at the same time may arrive in another order, so match replies by \`request\` (or the \`id\` of a ping). Numbers are sent digit for digit: read them with a parser that keeps digits beyond a double. After an interruption, subscribe with \`since\` to continue; if the feed no longer has the position, or it is older than a day, the snapshot has \`gap\`. A truncated table causes a new snapshot with \`gap\`. State channels (${states}) send the whole state, at most five times a second; event channels send every change. At most 20 subscriptions per connection, 20 messages a second, 4 KB per message sent, 32 KB per message received. Ping at least every 9 minutes.`,
  },
  servers: {
    observatory: {
      host: '{host}',
      protocol: 'wss',
      variables: { host: { description: "the API's host" } },
    },
  },
  channels: {
    socket: address('/api/ws', 'A connection that subscribes by messages'),
    transferOverview: address(
      '/api/transfer/ws/overview',
      'The same, initially subscribed to transfer.overview',
    ),
  },
  operations: { ask: operation('receive', asked), tell: operation('send', sent) },
  components: { messages },
};

function message(
  type: string,
  summary: string,
  required: readonly string[],
  properties: Readonly<Record<string, Schema>>,
) {
  return {
    title: type,
    summary,
    payload: {
      type: 'object',
      properties: { type: { const: type }, ...properties },
      required: ['type', ...required],
    },
  };
}

function address(path: string, summary: string) {
  const ticket = { type: 'object', properties: { ticket: text }, required: ['ticket'] };
  return {
    address: path,
    summary,
    bindings: { ws: { query: ticket } },
    messages: Object.fromEntries(
      Object.keys(messages).map((type) => [type, { $ref: `#/components/messages/${type}` }]),
    ),
  };
}

function operation(action: 'receive' | 'send', types: readonly string[]) {
  return {
    action,
    channel: { $ref: '#/channels/socket' },
    messages: types.map((type) => ({ $ref: `#/channels/socket/messages/${type}` })),
  };
}
