/**
 * The client against a server whose answers come late, in parts, in another order of handling, or not at all: in the end every
 * subscription shows what the server has, and no snapshot was ever incomplete.
 */
import { fc, times } from '../support/property.ts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LiveClient, type LiveEvent, type LiveSubscription } from '../../lib/client/live-client.ts';
import { addressed, stateMessage } from '../../lib/channels/protocol.ts';

const channels = ['executed_obs_units', 'executed_obs_units?obs_unit_id=7'] as const;
type Channel = (typeof channels)[number];
const records = 6;
const partsOf = 3;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

interface Asked {
  readonly type: string;
  readonly channel: Channel;
  readonly request: number;
  readonly since?: { readonly epoch: string; readonly position: string };
}

/** A WebSocket whose messages move when the test says so. */
class FakeSocket extends EventTarget {
  readyState = 0;
  /** to the server, handled one by one */
  readonly asked: Asked[] = [];
  /** to the client */
  readonly coming: string[] = [];
  /** channel → request */
  readonly subscribed = new Map<Channel, number>();

  open(): void {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }
  send(text: string): void {
    const asked = JSON.parse(text) as Asked;
    if (asked.type === 'ping') this.coming.push('{"type":"pong"}');
    else this.asked.push(asked);
  }
  close(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(new Event('close'));
  }
  deliver(): void {
    const data = this.coming.shift();
    if (data !== undefined && this.readyState === 1)
      this.dispatchEvent(new MessageEvent('message', { data }));
  }
}

/** Records with a version each; each change raises one of them and is sent to all subscribers. */
class FakeServer {
  readonly sockets: FakeSocket[] = [];
  readonly versions = Array.from({ length: records }, () => 0);
  position = 1;

  connect = (): WebSocket => {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    return socket as unknown as WebSocket;
  };

  get socket(): FakeSocket | undefined {
    return this.sockets.findLast(({ readyState }) => readyState < 2);
  }

  change(record: number): void {
    this.versions[record] = (this.versions[record] ?? 0) + 1;
    this.position += 1;
    const data = JSON.stringify({ id: String(record), version: this.versions[record] });
    for (const socket of this.sockets) {
      for (const [channel, request] of socket.subscribed) {
        const text = stateMessage('update', this.#heading(channel), data, { record: String(record) });
        socket.coming.push(addressed(text, request));
      }
    }
  }

  /** Handles one of the messages that wait: two functions may run at once, so that the order is not kept. */
  handle(which: number): void {
    const socket = this.socket;
    const [asked] = socket?.asked.splice(which % Math.max(1, socket.asked.length), 1) ?? [];
    if (!socket || !asked) return;
    const { channel, request, since, type } = asked;
    const known = socket.subscribed.get(channel);
    if (type === 'unsubscribe') {
      if (known === request) socket.subscribed.delete(channel);
    } else if (known === undefined || known < request) {
      socket.subscribed.set(channel, request);
      this.#begin(socket, channel, request, since !== undefined);
    }
  }

  /** Another broadcaster begins a subscription anew in the midst of its snapshot. */
  beginAgain(): void {
    const socket = this.socket;
    for (const [channel, request] of socket?.subscribed ?? []) {
      if (socket) this.#begin(socket, channel, request, true);
    }
  }

  #begin(socket: FakeSocket, channel: Channel, request: number, gap: boolean): void {
    const rows = this.versions.map((version, id) => ({ id: String(id), version }));
    for (let part = 1; part <= partsOf; part += 1) {
      const data = JSON.stringify(rows.slice(((part - 1) * records) / partsOf, (part * records) / partsOf));
      const more = { part, parts: partsOf, ...(gap && { gap }) };
      socket.coming.push(addressed(stateMessage('snapshot', this.#heading(channel), data, more), request));
    }
  }

  #heading(channel: string) {
    return { channel, epoch: 'e', position: `${this.position}-0`, fence: 1 };
  }
}

interface View {
  readonly subscription: LiveSubscription<Channel>;
  readonly known: Map<string, number>;
}

function watch(client: LiveClient, channel: Channel): View {
  const known = new Map<string, number>();
  const take = ({ id, version }: { id: string; version: number }) => known.set(id, version);
  const listen = (event: LiveEvent<Channel>) => {
    if (event.type === 'update') return void take(event.data as unknown as { id: string; version: number });
    const rows = event.data as unknown as { id: string; version: number }[];
    // in whatever parts and order it came, a snapshot has every record once
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: records }, (_, id) => String(id)));
    rows.forEach(take);
  };
  return { subscription: client.subscribe(channel, listen), known };
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('watch', 'leave'), n: fc.nat(1) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver'), n: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('handle'), n: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('change'), n: fc.nat(records - 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('lose', 'drop', 'again', 'wait'), n: fc.nat(2) }),
  },
);

it('shows what the server has after any history, and only whole snapshots on the way', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const server = new FakeServer();
      const client = new LiveClient({
        url: 'ws://test',
        ticket: async () => 'ticket',
        connect: server.connect,
        firstPauseMilliseconds: 10,
        longestPauseMilliseconds: 100,
        pingMilliseconds: 1000,
        answerMilliseconds: 1000,
      });
      const views = new Map<Channel, View>();
      for (const { kind, n } of steps) {
        const socket = server.socket;
        const channel = channels[n % 2] ?? channels[0];
        if (kind === 'watch' && !views.has(channel)) views.set(channel, watch(client, channel));
        if (kind === 'leave') {
          views.get(channel)?.subscription.close();
          views.delete(channel);
        }
        if (kind === 'deliver') for (let each = 0; each < n; each += 1) socket?.deliver();
        if (kind === 'handle') server.handle(n);
        if (kind === 'change') server.change(n);
        if (kind === 'lose') socket?.close();
        if (kind === 'drop') socket?.coming.splice(0, n);
        if (kind === 'again') server.beginAgain();
        if (kind === 'wait') await vi.advanceTimersByTimeAsync(500);
        socket?.open();
        await vi.advanceTimersByTimeAsync(0);
      }
      // nothing is lost any more; what was dropped without a trace shows with the next snapshot
      server.socket?.close();
      for (let round = 0; round < 10; round += 1) {
        await vi.advanceTimersByTimeAsync(1000);
        server.socket?.open();
        while (server.socket?.asked.length) server.handle(0);
        while (server.socket?.coming.length) server.socket.deliver();
      }
      for (const { known } of views.values()) {
        expect([...known.entries()].sort()).toEqual(
          server.versions.map((version, id) => [String(id), version]),
        );
      }
      client.close();
    }),
    times(300),
  );
});

it('gives no healthy connection up after its process was suspended', async () => {
  const server = new FakeServer();
  const client = new LiveClient({
    url: 'ws://test',
    ticket: async () => 'ticket',
    connect: server.connect,
    pingMilliseconds: 1000,
  });
  const { known } = watch(client, channels[0]);
  await vi.advanceTimersByTimeAsync(0);
  server.socket?.open();
  server.handle(0);
  for (let n = 0; n < partsOf; n += 1) server.socket?.deliver();
  // the clock goes on, and nothing runs
  vi.setSystemTime(Date.now() + 60_000);
  await vi.advanceTimersByTimeAsync(1000);
  server.socket?.deliver();
  await vi.advanceTimersByTimeAsync(900);
  expect(server.sockets).toHaveLength(1);
  // one that answers no ping is given up
  await vi.advanceTimersByTimeAsync(5000);
  expect(server.sockets.length).toBeGreaterThan(1);
  expect(known.size).toBe(records);
  client.close();
});
