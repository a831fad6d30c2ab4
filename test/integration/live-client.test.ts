/** The client against a server that loses or cannot serve subscriptions. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { afterEach, expect, it } from 'vitest';
import { LiveClient } from '../../lib/client/live-client.ts';
import { errorMessage, stateMessage } from '../../lib/channels/protocol.ts';

let server: WebSocketServer;
let client: LiveClient;
afterEach(() => {
  client.close();
  for (const each of server.clients) each.terminate();
  server.close();
});

const channel = 'transfer.overview';
const snapshot = stateMessage('snapshot', { channel, epoch: 'e', position: '1-0', fence: 1 }, '{"total":1}');

/** @param answer to the nth subscription, counted from 1 */
async function subscribed(
  answer: (socket: WebSocket, n: number) => void,
  answerMilliseconds: number,
): Promise<number> {
  let asked = 0;
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) =>
    socket.on('message', (data: Buffer) => {
      const { type } = JSON.parse(data.toString()) as { type: string };
      if (type === 'ping') socket.send('{"type":"pong"}');
      else answer(socket, (asked += 1));
    }),
  );
  await once(server, 'listening');
  client = new LiveClient({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ticket: async () => 'ticket',
    pingMilliseconds: 200,
    answerMilliseconds,
  });
  for await (const { type } of client.subscribe(channel)) {
    expect(type).toBe('snapshot');
    break;
  }
  return asked;
}

it('LiveClient repeats a subscription that was not answered', async () => {
  const asked = await subscribed((socket, n) => {
    if (n >= 2) socket.send(snapshot);
  }, 300);
  expect(asked).toBeGreaterThanOrEqual(2);
});

it('LiveClient repeats a subscription that was temporarily unavailable', async () => {
  const asked = await subscribed((socket, n) => {
    socket.send(n === 1 ? errorMessage('unavailable', 'Please send it again.', { channel }) : snapshot);
  }, 60_000);
  expect(asked).toBeGreaterThanOrEqual(2);
});
