/** The WebSocket API of the local gateway, with a function that records its invocations. */
import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { answerService } from '../../infra/local/gateway/service-endpoints.ts';
import { WebSocketApi } from '../../infra/local/gateway/web-socket-api.ts';
import { TokenBucket } from '../../infra/local/limits/token-bucket.ts';
import { limits } from '../../infra/limits.ts';
import { webSocketStage } from '../../infra/topology.ts';
import { eventually } from '../support/eventually.ts';

let api: WebSocketApi;
let server: Server;
let port: number;
let management: ApiGatewayManagementApiClient;
let account: TokenBucket;
let invoked: {
  readonly routeKey: string;
  readonly connectionId: string;
  readonly requestTimeEpoch: number;
}[];
/** the answer to `$connect` */
let answer: Promise<unknown>;
let now: number;

beforeEach(async () => {
  account = new TokenBucket(0.001, 100);
  const noted: typeof invoked = [];
  invoked = noted;
  answer = Promise.resolve({ statusCode: 200 });
  now = Date.now();
  api = new WebSocketApi(
    async (_name, event) => {
      const { requestContext } = event as { requestContext: (typeof invoked)[number] };
      noted.push(requestContext);
      return requestContext.routeKey === '$connect' ? answer : { statusCode: 200 };
    },
    { now: () => now, account, handshakes: new TokenBucket(0.001, 3), integrationMilliseconds: 300 },
  );
  server = createServer().listen(0, '127.0.0.1');
  server.on('upgrade', (upgrade, socket, head) => void api.upgrade(upgrade, socket, head));
  const parts = { invoke: async () => undefined, asynchronous: { submit: async () => undefined } };
  server.on('request', (asked, response) => void answerService(api, parts, asked, response));
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  management = new ApiGatewayManagementApiClient({
    endpoint: `http://127.0.0.1:${port}/${webSocketStage}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
});
afterEach(() => {
  management.destroy();
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

const post = (id: string | undefined, data: string) =>
  management.send(new PostToConnectionCommand({ ConnectionId: id, Data: data }));

it('a frame above 32 KB ends the connection, and a larger message of small frames does not', async () => {
  const socket = await open();
  const part = 'x'.repeat(limits.webSocketFrameBytes.value);
  for (let n = 0; n < 4; n += 1) socket.send(part, { fin: n === 3 });
  await eventually(() => expect(routes()).toEqual(['$connect', '$default']));
  socket.send(`${part}x`);
  const [code] = (await once(socket, 'close')) as [number];
  expect(code).toBe(1009);
  await eventually(() => expect(routes()).toEqual(['$connect', '$default', '$disconnect']));
});

it('a message above 128 KB ends the connection', async () => {
  const socket = await open();
  const part = 'x'.repeat(limits.webSocketFrameBytes.value);
  for (let n = 0; n < 5; n += 1) socket.send(part, { fin: n === 4 });
  const [code] = (await once(socket, 'close')) as [number];
  expect(code).toBe(1009);
  expect(routes()).not.toContain('$default');
});

it('a post above 128 KB is refused, and one to a connection that has ended', async () => {
  const socket = await open();
  const id = invoked[0]?.connectionId;
  await expect(post(id, 'x'.repeat(limits.webSocketMessageBytes.value + 1))).rejects.toMatchObject({
    name: 'PayloadTooLargeException',
    $metadata: { httpStatusCode: 413 },
  });
  await post(id, 'x'.repeat(limits.webSocketMessageBytes.value));
  socket.close();
  await eventually(() => expect(routes()).toContain('$disconnect'));
  await expect(post(id, 'x')).rejects.toMatchObject({
    name: 'GoneException',
    $metadata: { httpStatusCode: 410 },
  });
});

it('posts beyond the rate of the account are throttled', async () => {
  await open();
  while (account.take(performance.now()));
  await expect(post(invoked[0]?.connectionId, 'x')).rejects.toMatchObject({
    name: 'LimitExceededException',
    $metadata: { httpStatusCode: 429 },
  });
});

it('handshakes beyond their rate are throttled', async () => {
  await Promise.all([open(), open(), open()]);
  await expect(open()).rejects.toThrow('429');
});

it('a connection ends after ten idle minutes, and after two hours however busy it is', async () => {
  const [idle, busy] = [await open(), await open()];
  const ends = Promise.all([once(idle, 'close'), once(busy, 'close')]);
  const heard = () => invoked.filter(({ routeKey }) => routeKey === '$default').length;
  for (let minutes = 5; minutes <= 120; minutes += 5) {
    now += 300_000;
    busy.send('here');
    await eventually(() => expect(heard()).toBe(minutes / 5));
    api.endOld();
  }
  expect(busy.readyState).toBe(WebSocket.OPEN);
  now += 1;
  api.endOld();
  expect(await ends).toMatchObject([{ 0: 1001 }, { 0: 1001 }]);
});

it('a function that takes longer than the integration is given up', async () => {
  answer = new Promise(() => undefined);
  await expect(open()).rejects.toThrow('500');
});
