/** API Gateway's WebSocket API: `$connect` decides on the handshake, `$default` gets messages, `$disconnect` the end. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import * as z from 'zod/mini';
import { limits } from '../../limits.ts';
import { plainWebSocketPath, webSocketPath, webSocketRoutes, webSocketStage } from '../../topology.ts';
import { FrameLengths } from '../limits/frame-lengths.ts';
import { isOver } from '../limits/socket-life.ts';
import { TokenBucket } from '../limits/token-bucket.ts';
import { joinedHeaders, queryOf, within, type Invoke } from './http-api.ts';

const maxMessageBytes = limits.webSocketMessageBytes.value;
const maxFrameBytes = limits.webSocketFrameBytes.value;

/** What waits for a client that takes too little; how much API Gateway holds is not documented. */
const clientBufferBytes = 1024 * 1024;

/** The rate that an account has for all its APIs, and for `@connections`. */
export function accountBucket(): TokenBucket {
  return new TokenBucket(limits.gatewayRequestsPerSecond.value, limits.gatewayBurst.value);
}

export interface WebSocketSettings {
  readonly account?: TokenBucket;
  readonly handshakes?: TokenBucket;
  /** epoch ms */
  readonly now?: () => number;
  readonly integrationMilliseconds?: number;
}

interface Connection {
  readonly id: string;
  readonly socket: WebSocket;
  readonly sourceIp: string;
  readonly connectedAt: number;
  lastActiveAt: number;
  /** when its last message was received: it rises with each one */
  receivedAt: number;
}

export type Posted = 'sent' | 'gone' | 'too large' | 'throttled';

const result = z.object({ statusCode: z.int(), body: z.optional(z.string()) });

export class WebSocketApi {
  readonly #invoke: Invoke;
  /** a burst of pings ends no connection, as ws would have it: it is answered as far as there is room */
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, autoPong: false });
  readonly #connections = new Map<string, Connection>();
  readonly #clock: NodeJS.Timeout;
  readonly #account: TokenBucket;
  readonly #handshakes: TokenBucket;
  readonly #now: () => number;

  constructor(
    invoke: Invoke,
    {
      account = accountBucket(),
      handshakes = new TokenBucket(limits.webSocketHandshakesPerSecond.value),
      now = Date.now,
      integrationMilliseconds = limits.webSocketIntegrationSeconds.value * 1000,
    }: WebSocketSettings = {},
  ) {
    this.#invoke = (name, event) => within(integrationMilliseconds, invoke(name, event));
    this.#account = account;
    this.#handshakes = handshakes;
    this.#now = now;
    this.#clock = setInterval(() => this.endOld(), 10_000);
  }

  /** Answers an upgrade request. The edge turns the clients' path into the API's stage with a query. */
  async upgrade(request: IncomingMessage, raw: Duplex, head: Buffer): Promise<void> {
    raw.on('error', () => undefined);
    const [path, text = ''] = (request.url ?? '').split('?');
    const atEdge = path === webSocketPath.path;
    if (!atEdge && path !== plainWebSocketPath && path !== `/${webSocketStage}`)
      return refuse(raw, 403, '{"message":"Forbidden"}');
    if (!isHandshake(request)) return refuse(raw, 400, '{"message":"Bad Request"}');
    if (!this.#handshakes.take(performance.now()) || !this.#account.take(performance.now()))
      return refuse(raw, 429, '{"message":"Too Many Requests"}');
    const query = { ...queryOf(text), ...(atEdge && { channel: webSocketPath.channel }) };
    const connection = {
      id: randomBytes(11).toString('base64'),
      sourceIp: request.socket.remoteAddress ?? '',
      connectedAt: this.#now(),
    };
    const event = {
      ...this.#context(connection, '$connect', 'CONNECT'),
      headers: joinedHeaders(request),
      queryStringParameters: query,
      isBase64Encoded: false,
    };
    const answer = result.safeParse(
      await this.#invoke(webSocketRoutes.$connect, event).catch(() => undefined),
    );
    const status = answer.success ? answer.data.statusCode : 500;
    if (status < 200 || status > 299) return refuse(raw, status, answer.data?.body ?? '');
    let isOpen = false;
    this.#server.handleUpgrade(request, raw, head, (socket) => {
      isOpen = true;
      endOnLargeFrame(raw, head, socket);
      this.#open({ ...connection, socket });
    });
    // the client has gone meanwhile
    if (!isOpen) this.#ended(connection, 1006, '');
  }

  /** What `POST /@connections/{id}` does. */
  post(id: string, data: Buffer): Posted {
    if (!this.#account.take(performance.now())) return 'throttled';
    if (data.length > maxMessageBytes) return 'too large';
    const connection = this.#connections.get(id);
    if (!connection || connection.socket.readyState !== connection.socket.OPEN) return 'gone';
    if (connection.socket.bufferedAmount > clientBufferBytes) return 'throttled';
    connection.lastActiveAt = this.#now();
    connection.socket.send(data.toString('utf8'));
    return 'sent';
  }

  describe(id: string): object | undefined {
    const connection = this.#connections.get(id);
    return (
      connection && {
        connectedAt: new Date(connection.connectedAt).toISOString(),
        lastActiveAt: new Date(connection.lastActiveAt).toISOString(),
        identity: { sourceIp: connection.sourceIp, userAgent: '' },
      }
    );
  }

  disconnect(id: string): Posted {
    const connection = this.#connections.get(id);
    connection?.socket.close(1000);
    return connection ? 'sent' : 'gone';
  }

  /** Ends the connections that API Gateway would end by now. */
  endOld(): void {
    for (const connection of this.#connections.values()) {
      if (isOver(connection, this.#now())) connection.socket.close(1001, 'Going away');
    }
  }

  stop(): void {
    clearInterval(this.#clock);
    for (const { socket } of this.#connections.values()) socket.terminate();
    this.#server.close();
  }

  #open(opened: Omit<Connection, 'lastActiveAt' | 'receivedAt'>): void {
    const connection: Connection = { ...opened, lastActiveAt: this.#now(), receivedAt: 0 };
    const { id, socket } = connection;
    this.#connections.set(id, connection);
    socket.on('error', () => socket.terminate());
    socket.on('ping', (data: Buffer) => {
      connection.lastActiveAt = this.#now();
      if (socket.readyState === socket.OPEN && socket.bufferedAmount < maxFrameBytes) socket.pong(data);
    });
    socket.on('message', (data: Buffer) => void this.#message(connection, data));
    socket.on('close', (code, reason) => {
      this.#connections.delete(id);
      this.#ended(connection, code, reason.toString());
    });
  }

  #ended(
    connection: Pick<Connection, 'id' | 'sourceIp' | 'connectedAt'>,
    code: number,
    reason: string,
  ): void {
    const event = this.#context(connection, '$disconnect', 'DISCONNECT', {
      disconnectStatusCode: code,
      disconnectReason: reason,
    });
    this.#invoke(webSocketRoutes.$disconnect, { ...event, isBase64Encoded: false }).catch(() => undefined);
  }

  async #message(connection: Connection, data: Buffer): Promise<void> {
    if (connection.socket.readyState !== connection.socket.OPEN) return;
    connection.lastActiveAt = this.#now();
    connection.receivedAt = Math.max(this.#now(), connection.receivedAt + 1);
    const context = this.#context(connection, '$default', 'MESSAGE', {
      messageId: randomUUID(),
      requestTimeEpoch: connection.receivedAt,
    });
    try {
      const answer = result.safeParse(
        await this.#invoke(webSocketRoutes.$default, {
          ...context,
          body: data.toString('utf8'),
          isBase64Encoded: false,
        }),
      );
      if (answer.data?.body) this.post(connection.id, Buffer.from(answer.data.body));
    } catch {
      const { requestId } = context.requestContext;
      const error = { message: 'Internal server error', connectionId: connection.id, requestId };
      this.post(connection.id, Buffer.from(JSON.stringify(error)));
    }
  }

  #context(
    connection: Pick<Connection, 'id' | 'sourceIp' | 'connectedAt'>,
    routeKey: keyof typeof webSocketRoutes,
    eventType: string,
    more: object = {},
  ) {
    return {
      requestContext: {
        routeKey,
        eventType,
        connectionId: connection.id,
        connectedAt: connection.connectedAt,
        requestTimeEpoch: this.#now(),
        requestId: randomUUID(),
        stage: webSocketStage,
        apiId: 'local',
        domainName: '127.0.0.1',
        messageDirection: 'IN',
        identity: { sourceIp: connection.sourceIp },
        ...more,
      },
    };
  }
}

/** ws knows how large a message is; how large its frames are, only their headers say. */
function endOnLargeFrame(raw: Duplex, head: Buffer, socket: WebSocket): void {
  const frames = new FrameLengths();
  const look = (chunk: Buffer) => {
    if (!frames.push(chunk).some((length) => length > maxFrameBytes)) return;
    raw.off('data', look);
    socket.close(1009);
  };
  look(head);
  raw.prependListener('data', look);
}

/** What the protocol asks of a handshake (RFC 6455): anything else costs neither a ticket nor a place. */
function isHandshake({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-version'] === '13' &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')
  );
}

function refuse(raw: Duplex, status: number, body: string): void {
  raw.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
