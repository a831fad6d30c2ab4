/** Messages of the WebSocket in both directions (see asyncapi.json). Pure. */
import * as z from 'zod/mini';

/** The size of a frame: API Gateway would split larger messages. */
const maxMessageBytes = 32 * 1024;
/** Limit of messages from clients. */
export const maxRequestBytes = 4 * 1024;

const channel = z.string().check(z.maxLength(100));
/** Chosen by the client, increasing with each subscription of a socket; answers repeat it. Lua preserves 14 digits. */
export const highestRequest = 99_999_999_999_999;
const request = z.int().check(z.minimum(0), z.maximum(highestRequest));

export const clientMessage = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('subscribe'),
    channel,
    /** the client's position, from which it continues if the feed still has it */
    since: z.optional(z.strictObject({ epoch: z.string(), position: z.string() })),
    request: z.optional(request),
  }),
  z.strictObject({
    type: z.literal('unsubscribe'),
    channel,
    /** of the subscription to end; a later one remains */
    request: z.optional(request),
  }),
  z.strictObject({ type: z.literal('ping'), id: z.optional(z.union([z.string(), z.number()])) }),
]);

export const errorCodes = [
  'bad_message',
  'unknown_channel',
  'forbidden',
  'too_many_subscriptions',
  'too_many_messages',
  'too_large',
  'revoked',
  'unregistered',
  'unavailable',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** The channel of an answer, and the client's number of the request, if any. */
export interface About {
  readonly channel: string;
  readonly request?: number;
}

export function errorMessage(code: ErrorCode, detail: string, about?: About): string {
  return addressed(
    JSON.stringify({ type: 'error', code, detail, ...(about && { channel: about.channel }) }),
    about?.request,
  );
}

/** Adds the client's request number to a text that is shared by all subscribers. @param text begins with its type */
export function addressed(text: string, asked: number | undefined): string {
  return asked === undefined ? text : text.replace(',', `,"request":${asked},`);
}

export function unsubscribedMessage({ channel: name, request: asked }: About): string {
  return addressed(JSON.stringify({ type: 'unsubscribed', channel: name }), asked);
}

/** Sent before the connection is closed. */
export const revokedMessage = errorMessage('revoked', 'The credential of this connection has ended.');

export interface Heading {
  readonly channel: string;
  readonly epoch: string;
  readonly position: string;
  /** increases with every broadcaster: clients ignore messages with a lower one */
  readonly fence: number;
}

/** @param json the serialized state */
export function stateMessage(
  type: 'snapshot' | 'update',
  heading: Heading,
  json: string,
  more: object = {},
): string {
  return `${JSON.stringify({ type, ...heading, ...more }).slice(0, -1)},"data":${json}}`;
}

/** Confirms that the client continues from this position. */
export function resumedMessage(heading: Heading): string {
  return JSON.stringify({ type: 'resumed', ...heading });
}

/** A snapshot of many records, in as many messages as needed; `part` counts from 1. */
export function listMessages(
  heading: Heading,
  records: readonly { readonly id: string }[],
  more: object = {},
): string[] {
  const parts: string[][] = [[]];
  let size = 0;
  for (const record of records) {
    const text = recordJson(record);
    if (size + Buffer.byteLength(text) > maxMessageBytes - 1024 && size > 0) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)?.push(text);
    size += Buffer.byteLength(text) + 1;
  }
  return parts.map((texts, index) =>
    stateMessage('snapshot', heading, `[${texts.join(',')}]`, {
      part: index + 1,
      parts: parts.length,
      ...more,
    }),
  );
}

/** A record that is too large for a message is replaced by its id and URL, so that the client can read it over HTTP. */
export function recordJson(record: { readonly id: string } | undefined): string {
  if (record === undefined) return 'null';
  const text = JSON.stringify(record);
  if (Buffer.byteLength(text) <= maxMessageBytes - 2048) return text;
  return JSON.stringify({ id: record.id, error: 'too_large', location: `/executed_obs_units/${record.id}` });
}
