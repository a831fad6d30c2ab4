/**
 * The client against a server whose answers are late, split, reordered or lost: in the end every subscription shows the
 * server's state, and no snapshot was ever incomplete.
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

/** A WebSocket whose messages move when the test moves them. */
class FakeSocket extends EventTarget {
  readyState = 0;
  /** messages to the server, handled one at a time */
  readonly asked: Asked[] = [];
  /** messages to the client */
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

/** Versioned records: each change increments one version and is sent to every subscriber. */
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

  /** Handles any waiting message: functions run concurrently, so the order is not kept. */
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

  /** Another broadcaster restarts a subscription in the middle of its snapshot. */
  restart(): void {
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
    // a snapshot has every record once, whatever the parts and order in which it arrived
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

it('LiveClient shows the server’s state after any history, and only complete snapshots before', async () => {
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
        if (kind === 'again') server.restart();
        if (kind === 'wait') await vi.advanceTimersByTimeAsync(500);
        socket?.open();
        await vi.advanceTimersByTimeAsync(0);
      }
      // from here on nothing is lost; the next snapshot repairs silently dropped messages
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

it('LiveClient keeps a healthy connection after its process was suspended', async () => {
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
  // the clock advances while no timer runs
  vi.setSystemTime(Date.now() + 60_000);
  await vi.advanceTimersByTimeAsync(1000);
  server.socket?.deliver();
  await vi.advanceTimersByTimeAsync(900);
  expect(server.sockets).toHaveLength(1);
  // a connection that answers no ping is replaced
  await vi.advanceTimersByTimeAsync(5000);
  expect(server.sockets.length).toBeGreaterThan(1);
  expect(known.size).toBe(records);
  client.close();
});
