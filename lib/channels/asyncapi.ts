/** The document of the WebSocket, made of the channels and the protocol. `npm run asyncapi` writes it to asyncapi.json. */
import { changes } from '../change-feed/streams.ts';
import { channelKinds, channels, nameOf, stateKinds } from './channels.ts';
import { errorCodes, highestRequest } from './protocol.ts';

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const number: Schema = { type: 'integer' };
const described = (schema: Schema, description: string): Schema => ({ ...schema, description });

const request = described(number, 'the number that the client gave what this answers');
const heading = {
  request,
  channel: text,
  epoch: described(text, 'changes when the feed was lost: positions of another epoch mean nothing'),
  position: described(text, 'opaque; new with each update'),
  fence: described(number, 'rises with every broadcaster: ignore what comes with a lower one'),
};
const inHeading = ['channel', 'epoch', 'position', 'fence'];

const names = channelKinds.flatMap((kind) => channels[kind].patterns).join(' | ');
const states = stateKinds.map(nameOf).join(', ');
const contents = channelKinds
  .map((kind) => `${channels[kind].patterns[0]}: ${channels[kind].describes}`)
  .join('; ');

const messages = {
  subscribe: message('subscribe', 'Begin, or go on from `since`', ['channel'], {
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
        'chosen by the client, rising with each subscription of a socket: every message that answers carries it. A lower one of the same channel changes nothing any more',
    },
  }),
  unsubscribe: message('unsubscribe', 'End a subscription', ['channel'], {
    channel: text,
    request: described(number, 'of the subscription to end: a later one stays'),
  }),
  ping: message('ping', 'Is the connection there and known?', [], { id: { type: ['string', 'number'] } }),
  snapshot: message('snapshot', 'The state at a position', [...inHeading, 'data'], {
    ...heading,
    part: described(
      number,
      'of a snapshot in several messages, from 1, one after the other; if one is missing, subscribe again',
    ),
    parts: number,
    gap: described({ const: true }, 'changes before it may not have been told one by one'),
    unseen: described(
      text,
      'what could not be looked at, so that records may be missing: replica. Another snapshot follows once it can be',
    ),
    data: { description: contents },
  }),
  update: message('update', 'A change', [...inHeading, 'data'], {
    ...heading,
    change: {
      enum: [...changes.filter((change) => change !== 'reset'), 'left'],
      description:
        'of event channels; changed: by somebody else at main, or told late since no replica answered; left: the record does not belong to this planned unit any more',
    },
    record: described(text, 'of executed_obs_units: its id'),
    transaction_id: text,
    data: {
      description:
        'as in a snapshot; of executed_obs_units one record, merged when it is sent; null if it is not there any more or has left the channel; {id, error: too_large, location} if it fits no message',
    },
  }),
  resumed: message('resumed', 'Everything after `since` follows', inHeading, heading),
  unsubscribed: message('unsubscribed', 'Nothing more comes of this channel', ['channel'], {
    request,
    channel: text,
  }),
  pong: message('pong', 'It is', [], { id: { type: ['string', 'number'] } }),
  error: message(
    'error',
    'What was asked is not done; revoked: the connection ends; unregistered: connect again; unavailable, too_many_messages: send it again later',
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
    description: `Take a ticket with POST /api/ws/ticket, connect within 30 s, subscribe. A snapshot comes first, then everything after its position. Give each subscription a \`request\` that rises, and take nothing that carries another one. Replies of one socket come in the order in which its messages have arrived; several sent at once may arrive in another order, which \`request\` (and \`id\` of a ping) tells. Numbers are sent digit for digit: read them with a parser that keeps what a double cannot hold. After an interruption subscribe with \`since\` and go on; if the feed cannot, or the position is older than a day, the snapshot says \`gap\`. A table that was truncated brings a fresh snapshot with \`gap\`. State channels (${states}) send the whole state, at most five times a second; event channels send every change. At most 20 subscriptions per connection, 20 messages a second, 4 KB per message sent, 32 KB per message received. Ping at least every 9 minutes.`,
  },
  servers: {
    observatory: {
      host: '{host}',
      protocol: 'wss',
      variables: { host: { description: "the API's host" } },
    },
  },
  channels: {
    socket: address('/api/ws', 'A connection that says itself what it subscribes to'),
    transferOverview: address(
      '/api/transfer/ws/overview',
      'The same, subscribed to transfer.overview from the start',
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
