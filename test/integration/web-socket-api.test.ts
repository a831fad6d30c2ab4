/** The WebSocket API of the local gateway, with a function that records its invocations. */
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocketApi } from '../../infra/local/gateway/web-socket-api.ts';
import { eventually } from '../support/eventually.ts';

let api: WebSocketApi;
let server: Server;
let port: number;
let invoked: {
  readonly routeKey: string;
  readonly connectionId: string;
  readonly requestTimeEpoch: number;
}[];
/** the answer to `$connect` */
let answer: Promise<unknown>;

beforeEach(async () => {
  const noted: typeof invoked = [];
  invoked = noted;
  answer = Promise.resolve({ statusCode: 200 });
  api = new WebSocketApi(async (_name, event) => {
    const { requestContext } = event as { requestContext: (typeof invoked)[number] };
    noted.push(requestContext);
    return requestContext.routeKey === '$connect' ? answer : { statusCode: 200 };
  });
  server = createServer().listen(0, '127.0.0.1');
  server.on('upgrade', (upgrade, socket, head) => void api.upgrade(upgrade, socket, head));
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(() => {
  api.stop();
  server.closeAllConnections();
  server.close();
});
const routes = () => invoked.map(({ routeKey }) => routeKey);

async function open(): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/ws?ticket=x`);
  await once(socket, 'open');
  return socket;
}

it('WebSocketApi answers a burst of pings and keeps the connection', async () => {
  const socket = await open();
  const pongs: string[] = [];
  socket.on('pong', (data: Buffer) => pongs.push(data.toString()));
  const sent = Array.from({ length: 200 }, (_, n) => String(n));
  for (const each of sent) socket.ping(each);
  await eventually(() => expect(pongs).toEqual(sent));
  expect(socket.readyState).toBe(WebSocket.OPEN);
});

it('WebSocketApi gives the messages of a connection ascending times', async () => {
  const socket = await open();
  for (let n = 0; n < 20; n += 1) socket.send(String(n));
  await eventually(() => expect(invoked).toHaveLength(21));
  const times = invoked.slice(1).map(({ requestTimeEpoch }) => requestTimeEpoch);
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
});

it('WebSocketApi refuses an invalid handshake without invoking a function', async () => {
  const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'short' };
  const refused = request({ port, path: '/api/ws?ticket=x', headers }).end();
  const [{ statusCode }] = (await once(refused, 'response')) as [{ statusCode: number }];
  expect(statusCode).toBe(400);
  expect(invoked).toEqual([]);
});

it('WebSocketApi invokes $disconnect for a client that left during its handshake', async () => {
  let decide = (_answer: unknown): void => undefined;
  answer = new Promise((resolve) => (decide = resolve));
  const socket = connect(port, '127.0.0.1');
  socket.write(
    'GET /api/ws?ticket=x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await eventually(() => expect(routes()).toEqual(['$connect']));
  socket.resetAndDestroy();
  await once(socket, 'close');
  // the server side closes one tick later
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  decide({ statusCode: 200 });
  await eventually(() => expect(routes()).toEqual(['$connect', '$disconnect']));
  expect(invoked[1]?.connectionId).toBe(invoked[0]?.connectionId);
});
