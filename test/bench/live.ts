/** Delivery times of a change to one client and to thousands, also while some connections stall. */
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { connectionPoster } from '../../lib/sockets/post.ts';
import { percentile } from '../../infra/local/percentile.ts';
import { webSocketPath, webSocketStage } from '../../infra/topology.ts';
import { listConnections } from '../../lib/sockets/connections.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';

const changes = 100;
const rounds = 5;
const sizes = [100, 1000, 5000];
const postsAtOnce = 64;

interface Client {
  readonly socket: WebSocket;
  /** arrival time of each message */
  readonly times: number[];
}

export async function benchLive(): Promise<void> {
  // required by the SDK; the endpoint is local
  process.env.AWS_REGION ??= 'us-east-1';
  process.env.AWS_ACCESS_KEY_ID ??= 'local';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'local';
  const gateway = await startGatewayProxy();
  const stack = await startTestStack({
    roundTripMilliseconds: 0,
    settings: { WEBSOCKET_ENDPOINT: `${gateway.url}/${webSocketStage}` },
  });
  gateway.target = stack.services;
  const { post } = connectionPoster(`${gateway.url}/${webSocketStage}`);
  const clients: Client[] = [];
  try {
    await join(stack, clients, 1);
    await oneClient(stack, clients, post);
    console.log(
      '\n| sockets | first to last delivery, ms | raw posts, 64 concurrent, ms | ratio | sequential posts |',
    );
    console.log('|---|---|---|---|---|');
    for (const size of sizes) {
      await join(stack, clients, size - clients.length);
      await fanOut(stack, clients, post);
    }
    await model(stack, clients, gateway);
    await stalled(stack, clients, gateway);
  } finally {
    gateway.stop();
    for (const { socket } of clients) socket.terminate();
    await stack.stop();
  }
}

async function join(stack: TestStack, clients: Client[], count: number): Promise<void> {
  const { websocket, tokens } = stack.description;
  let left = count;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (left > 0) {
        left -= 1;
        const { body } = await stack.api('/api/ws/ticket', { method: 'POST', token: tokens.viewer });
        const socket = new WebSocket(`${websocket}${webSocketPath.path}?ticket=${String(body.ticket)}`);
        const times: number[] = [];
        await new Promise((received, failed) => {
          socket.on('message', () => {
            times.push(performance.now());
            received(undefined);
          });
          socket.on('error', failed);
        });
        clients.push({ socket, times });
      }
    }),
  );
}

let state = 0;
/** Changes the watched state. @returns the time after its commit */
async function change({ main }: TestStack): Promise<number> {
  state += 1;
  await main.query('update data_transfer set status = $1 where id = 1', [state % 2 ? 'failed' : 'completed']);
  return performance.now();
}

async function until(done: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!done()) {
    if (performance.now() > deadline) throw new Error('not every client got the change');
    await delay(1);
  }
}

async function oneClient(
  stack: TestStack,
  [client]: readonly Client[],
  post: (id: string, text: string) => Promise<unknown>,
) {
  if (!client) return;
  const [id = ''] = await listConnections(stack.site, Date.now());
  const seen: number[] = [];
  const bare: number[] = [];
  for (let n = 0; n < changes; n += 1) {
    const had = client.times.length;
    const committed = await change(stack);
    await until(() => client.times.length > had);
    seen.push((client.times.at(-1) ?? 0) - committed);
    const before = client.times.length;
    const began = performance.now();
    await stack.redisClient.publish('bench', 'x');
    await post(id, '{"type":"bench"}');
    await until(() => client.times.length > before);
    bare.push((client.times.at(-1) ?? 0) - began);
    await delay(220);
  }
  const [p50, p99, bare50, bare99] = [
    percentile(seen, 0.5),
    percentile(seen, 0.99),
    percentile(bare, 0.5),
    percentile(bare, 0.99),
  ];
  console.log(
    `commit → one client: p50 ${p50} ms, p99 ${p99} ms; a bare publish and post: ${bare50} and ${bare99} ms`,
  );
}

async function fanOut(
  stack: TestStack,
  clients: readonly Client[],
  post: (id: string, text: string) => Promise<unknown>,
) {
  const ids = await listConnections(stack.site, Date.now());
  const text = JSON.stringify({ type: 'bench', data: 'x'.repeat(300) });
  const ours: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const marks = clients.map(({ times }) => times.length);
    await change(stack);
    await until(() => clients.every(({ times }, n) => times.length > (marks[n] ?? 0)));
    const arrivals = clients.map(({ times }, n) => times[marks[n] ?? 0] ?? 0);
    // from the first arrival, which excludes the path to one client
    ours.push(Math.max(...arrivals) - Math.min(...arrivals));
    await delay(300);
    const began = performance.now();
    let next = 0;
    await Promise.all(
      Array.from({ length: postsAtOnce }, async () => {
        for (let id = ids[next++]; id !== undefined; id = ids[next++]) await post(id, text);
      }),
    );
    raw.push(performance.now() - began);
    await delay(300);
  }
  let sequential = '';
  if (clients.length <= 1000) {
    const began = performance.now();
    for (const id of ids) await post(id, text);
    sequential = `${Math.round(performance.now() - began)} ms`;
  }
  const [a, b] = [percentile(ours, 0.5), percentile(raw, 0.5)];
  console.log(`| ${clients.length} | ${a} | ${b} | ${(b / a).toFixed(2)} × as fast | ${sequential} |`);
}

/** Compares a broadcaster with the model: clients × ms per post / concurrent posts. */
async function model(stack: TestStack, clients: readonly Client[], gateway: GatewayProxy): Promise<void> {
  gateway.delayMilliseconds = 10;
  const took: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const marks = clients.map(({ times }) => times.length);
    await change(stack);
    await until(() => clients.every(({ times }, n) => times.length > (marks[n] ?? 0)));
    const arrivals = clients.map(({ times }, n) => times[marks[n] ?? 0] ?? 0);
    took.push(Math.max(...arrivals) - Math.min(...arrivals));
    await delay(400);
  }
  gateway.delayMilliseconds = 0;
  const predicted = (clients.length * 10) / postsAtOnce;
  const measured = percentile(took, 0.5);
  console.log(
    `\nwith 10 ms added to each post ${clients.length} clients take ${Math.round(measured)} ms; the model predicts ${Math.round(predicted)} ms`,
  );
}

/** Measures the other clients while posts to 1 % of the connections never end. */
async function stalled(stack: TestStack, clients: readonly Client[], gateway: GatewayProxy): Promise<void> {
  const ids = await listConnections(stack.site, Date.now());
  const measure = async () => {
    const p99s: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const marks = clients.map(({ times }) => times.length);
      const committed = await change(stack);
      const had = () => clients.filter(({ times }, n) => times.length > (marks[n] ?? 0));
      await until(() => had().length >= clients.length - gateway.stalled.size);
      const waits = clients.flatMap(({ times }, n) => (times[marks[n] ?? 0] ?? Infinity) - committed);
      p99s.push(percentile(waits.filter(Number.isFinite), 0.99));
      await delay(400);
    }
    return percentile(p99s, 0.5);
  };
  const before = await measure();
  for (const id of ids.filter((_id, n) => n % 100 === 0)) gateway.stalled.add(id);
  const after = await measure();
  console.log(
    `p99 of the others: ${before} ms; with 1 % whose posts never end: ${after} ms (${(after / before).toFixed(2)})`,
  );
}

interface GatewayProxy {
  readonly url: string;
  target: string;
  delayMilliseconds: number;
  readonly stalled: Set<string>;
  readonly stop: () => void;
}

/** A proxy of the management API that can delay all posts and hang some. */
async function startGatewayProxy(): Promise<GatewayProxy> {
  const agent = new Agent({ keepAlive: true, maxSockets: 512 });
  const server = createServer((incoming, response) => {
    const id = decodeURIComponent((incoming.url ?? '').split('/').at(-1) ?? '');
    if (proxy.stalled.has(id)) return void incoming.resume();
    const forward = () => {
      const { method, headers, url } = incoming;
      const outgoing = request(proxy.target + (url ?? ''), { method, headers, agent }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      outgoing.on('error', () => response.destroy());
      incoming.pipe(outgoing);
    };
    if (proxy.delayMilliseconds > 0) setTimeout(forward, proxy.delayMilliseconds);
    else forward();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: GatewayProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: '',
    delayMilliseconds: 0,
    stalled: new Set(),
    stop: () => {
      server.closeAllConnections();
      server.close();
      agent.destroy();
    },
  };
  return proxy;
}
