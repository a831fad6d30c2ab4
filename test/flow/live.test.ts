import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { connectSocket, type TestSocket } from '../support/test-socket.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
const sockets: TestSocket[] = [];

beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  for (const socket of sockets) socket.close();
  await stack.stop();
});

async function ticket(token = stack.description.tokens.viewer): Promise<string> {
  const { status, body } = await stack.api('/api/ws/ticket', { method: 'POST', token });
  expect(status).toBe(201);
  return String(body.ticket);
}

async function open(): Promise<TestSocket> {
  const socket = await connectSocket(stack.description.websocket, await ticket());
  sockets.push(socket);
  return socket;
}

/** The text that GET answers now. */
async function overview(): Promise<string> {
  const response = await fetch(`${stack.description.http}/api/transfer/overview`, {
    headers: { Authorization: `Bearer ${stack.description.tokens.viewer}` },
  });
  return response.text();
}

const dataOf = (text: string) => text.slice(text.indexOf('"data":') + '"data":'.length, -1);

it('a socket gets the snapshot first, then each change with a new position', async () => {
  const socket = await open();
  await eventually(() => expect(socket.messages).toHaveLength(1));
  expect(JSON.parse(socket.messages[0] ?? '')).toMatchObject({
    type: 'snapshot',
    channel: 'transfer.overview',
  });
  expect(dataOf(socket.messages[0] ?? '')).toBe(await overview());

  const pending = [5, 10, 15];
  for (const [index, id] of pending.entries()) {
    await stack.main.query("update data_transfer set status = 'completed' where id = $1", [id]);
    await eventually(() => expect(socket.messages).toHaveLength(index + 2));
  }
  const messages = socket.messages.map(
    (text) => JSON.parse(text) as { type: string; position: string; epoch: string },
  );
  expect(messages.map(({ type }) => type)).toEqual(['snapshot', 'update', 'update', 'update']);
  expect(new Set(messages.map(({ position }) => position)).size).toBe(4);
  expect(new Set(messages.map(({ epoch }) => epoch)).size).toBe(1);
  expect(dataOf(socket.messages.at(-1) ?? '')).toBe(await overview());
});

it('every client gets the same state, also a later one', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, open));
  await stack.main.query("update data_transfer set status = 'failed' where id = 21");
  await eventually(async () => {
    const expected = await overview();
    for (const each of clients) expect(dataOf(each.messages.at(-1) ?? '')).toBe(expected);
  });
  for (const { messages } of clients) expect(messages[0]).toContain('"type":"snapshot"');
});

it('a handshake with a used, unknown or missing ticket gets 401', async () => {
  const once = await ticket();
  sockets.push(await connectSocket(stack.description.websocket, once));
  await expect(connectSocket(stack.description.websocket, once)).rejects.toThrow('401');
  await expect(connectSocket(stack.description.websocket, 'unknown')).rejects.toThrow('401');
  await expect(connectSocket(stack.description.websocket, undefined)).rejects.toThrow('401');
});

it('a socket gets a new snapshot after the broadcaster was killed', async () => {
  const socket = await open();
  await eventually(() => expect(socket.messages).toHaveLength(1));
  for (const pid of stack.parts.lambdas.broadcast.pids()) process.kill(pid, 'SIGKILL');
  await stack.redisClient.del(stack.keys.broadcaster);
  await stack.runSchedule('sweep');
  await eventually(() => expect(socket.messages.length).toBeGreaterThanOrEqual(2));
  const [first, second] = socket.messages.map((text) => JSON.parse(text) as { type: string; fence: number });
  expect(second).toMatchObject({ type: 'snapshot' });
  expect(second?.fence).toBeGreaterThan(first?.fence ?? 0);
});

it('a broadcaster runs only while a client watches', async () => {
  await open();
  const { redisClient, keys } = stack;
  await eventually(async () => expect(await redisClient.exists(keys.broadcaster)).toBe(1));
  for (const socket of sockets.splice(0)) socket.close();
  await eventually(async () => expect(await redisClient.exists(keys.broadcaster)).toBe(0), {
    timeoutMs: 20_000,
  });
  // without clients the sweeper starts no broadcaster
  await stack.runSchedule('sweep');
  expect(await redisClient.exists(keys.broadcaster)).toBe(0);
  const later = await open();
  await eventually(() => expect(later.messages).toHaveLength(1));
});
