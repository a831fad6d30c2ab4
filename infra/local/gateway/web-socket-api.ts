/** API Gateway's WebSocket API: `$connect` decides on the handshake, `$default` gets messages, `$disconnect` the end. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import * as z from 'zod/mini';
import { plainWebSocketPath, webSocketPath, webSocketRoutes, webSocketStage } from '../../topology.ts';
import { joinedHeaders, queryOf, type Invoke } from './http-api.ts';

/** AWS's own limits. */
const maxMessageBytes = 128 * 1024;
const maxFrameBytes = 32 * 1024;
const idleSeconds = 600;
const lifeSeconds = 7200;

interface Connection {
  readonly id: string;
  readonly socket: WebSocket;
  readonly sourceIp: string;
  readonly connectedAt: number;
  lastActiveAt: number;
  /** when its last message was received: it rises with each one */
  receivedAt: number;
}

export type Posted = 'sent' | 'gone' | 'too large';

const result = z.object({ statusCode: z.int(), body: z.optional(z.string()) });

export class WebSocketApi {
  readonly #invoke: Invoke;
  /** a burst of pings ends no connection, as ws would have it: it is answered as far as there is room */
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, autoPong: false });
  readonly #connections = new Map<string, Connection>();
  readonly #clock: NodeJS.Timeout;

  constructor(invoke: Invoke) {
    this.#invoke = invoke;
    this.#clock = setInterval(() => this.#endOld(Date.now()), 10_000);
  }

  /** Answers an upgrade request. The edge turns the clients' path into the API's stage with a query. */
  async upgrade(request: IncomingMessage, raw: Duplex, head: Buffer): Promise<void> {
    raw.on('error', () => undefined);
    const [path, text = ''] = (request.url ?? '').split('?');
    const atEdge = path === webSocketPath.path;
    if (!atEdge && path !== plainWebSocketPath && path !== `/${webSocketStage}`)
      return refuse(raw, 403, '{"message":"Forbidden"}');
    if (!isHandshake(request)) return refuse(raw, 400, '{"message":"Bad Request"}');
    const query = { ...queryOf(text), ...(atEdge && { channel: webSocketPath.channel }) };
    const connection = {
      id: randomBytes(11).toString('base64'),
      sourceIp: request.socket.remoteAddress ?? '',
      connectedAt: Date.now(),
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
      this.#open({ ...connection, socket });
    });
    // the client has gone meanwhile
    if (!isOpen) this.#ended(connection, 1006, '');
  }

  /** What `POST /@connections/{id}` does. */
  post(id: string, data: Buffer): Posted {
    if (data.length > maxMessageBytes) return 'too large';
    const connection = this.#connections.get(id);
    if (!connection || connection.socket.readyState !== connection.socket.OPEN) return 'gone';
    connection.lastActiveAt = Date.now();
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

  stop(): void {
    clearInterval(this.#clock);
    for (const { socket } of this.#connections.values()) socket.terminate();
    this.#server.close();
  }

  #open(opened: Omit<Connection, 'lastActiveAt' | 'receivedAt'>): void {
    const connection: Connection = { ...opened, lastActiveAt: Date.now(), receivedAt: 0 };
    const { id, socket } = connection;
    this.#connections.set(id, connection);
    socket.on('error', () => socket.terminate());
    socket.on('ping', (data: Buffer) => {
      connection.lastActiveAt = Date.now();
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
    connection.lastActiveAt = Date.now();
    if (data.length > maxFrameBytes) return connection.socket.close(1009);
    connection.receivedAt = Math.max(Date.now(), connection.receivedAt + 1);
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
        requestTimeEpoch: Date.now(),
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

  #endOld(now: number): void {
    for (const { socket, connectedAt, lastActiveAt } of this.#connections.values()) {
      if (now - lastActiveAt > idleSeconds * 1000 || now - connectedAt > lifeSeconds * 1000) {
        socket.close(1001, 'Going away');
      }
    }
  }
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
