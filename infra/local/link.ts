/**
 * The link between site and main: a TCP proxy with a delay and a switch. While it is down it is a black hole: nothing is refused
 * or reset, and data sent meanwhile arrives once it is up again.
 */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import * as z from 'zod/mini';

export interface LinkState {
  readonly up: boolean;
  readonly round_trip_ms: number;
}

export interface Link {
  readonly port: number;
  /** URL to GET and PUT the state */
  readonly controlUrl: string;
  readonly state: () => LinkState;
  readonly set: (change: Partial<LinkState>) => LinkState;
  readonly stop: () => Promise<void>;
}

const change = z.strictObject({
  up: z.optional(z.boolean()),
  round_trip_ms: z.optional(z.number().check(z.minimum(0), z.maximum(60_000))),
});

export async function startLink(options: {
  readonly targetPort: number;
  readonly roundTripMilliseconds: number;
}): Promise<Link> {
  let state: LinkState = { up: true, round_trip_ms: options.roundTripMilliseconds };
  const lanes = new Set<Lane>();
  const sockets = new Set<Socket>();
  const oneWay = () => (state.up ? state.round_trip_ms / 2 : undefined);

  const open = (client: Socket) => {
    const upstream = new LaneSocket(options.targetPort);
    const there = new Lane(client, () => upstream.socket(), oneWay);
    const back = new Lane(undefined, () => client, oneWay);
    upstream.onOpen = (socket) => {
      sockets.add(socket);
      back.listen(socket);
      socket.on('error', () => client.destroy()).on('close', () => client.destroy());
    };
    lanes.add(there).add(back);
    sockets.add(client);
    client.on('error', () => upstream.destroy());
    client.on('close', () => {
      upstream.destroy();
      lanes.delete(there);
      lanes.delete(back);
      sockets.delete(client);
    });
  };
  const server = createServer({ noDelay: true }, open);
  const port = await listen(server);
  const control = createHttpServer((request, response) => {
    void answer(request).then(([status, body]) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  const set = (wanted: Partial<LinkState>) => {
    state = { ...state, ...wanted };
    for (const lane of lanes) lane.move();
    return state;
  };
  const answer = async (request: IncomingMessage): Promise<[number, unknown]> => {
    if (request.method === 'GET') return [200, state];
    if (request.method !== 'PUT') return [405, { title: 'GET or PUT' }];
    try {
      const parsed = change.parse(JSON.parse(await textOf(request)));
      return [
        200,
        set(Object.fromEntries(Object.entries(parsed).filter(([, value]) => value !== undefined))),
      ];
    } catch {
      return [400, { title: 'Send {"up": true | false} or {"round_trip_ms": 0–60000}, or both.' }];
    }
  };
  const controlPort = await listen(control);
  return {
    port,
    controlUrl: `http://127.0.0.1:${controlPort}`,
    state: () => state,
    set,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      control.closeAllConnections();
      await Promise.all([server, control].map((each) => new Promise((closed) => each.close(closed))));
    },
  };
}

/** The far side of a connection, opened when the first bytes have crossed. */
class LaneSocket {
  onOpen: (socket: Socket) => void = () => undefined;
  readonly #port: number;
  #socket: Socket | undefined;
  #destroyed = false;

  constructor(port: number) {
    this.#port = port;
  }

  socket(): Socket | undefined {
    if (this.#destroyed) return undefined;
    if (!this.#socket) {
      this.#socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true });
      this.onOpen(this.#socket);
    }
    return this.#socket;
  }

  destroy(): void {
    this.#destroyed = true;
    this.#socket?.destroy();
  }
}

/** One direction of a connection: forwards bytes in order, each after the one-way delay. */
class Lane {
  readonly #waiting: { at: number; bytes: Buffer | 'end' }[] = [];
  readonly #to: () => Socket | undefined;
  readonly #delay: () => number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket | undefined, to: () => Socket | undefined, delay: () => number | undefined) {
    this.#to = to;
    this.#delay = delay;
    if (from) this.listen(from);
  }

  listen(from: Socket): void {
    from.on('data', (bytes: Buffer) => this.#put(bytes));
    from.on('end', () => this.#put('end'));
  }

  #put(bytes: Buffer | 'end'): void {
    this.#waiting.push({ at: performance.now(), bytes });
    this.move();
  }

  move(): void {
    clearTimeout(this.#timer);
    const delay = this.#delay();
    if (delay === undefined) return;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const wait = next.at + delay - performance.now();
      if (wait > 0.5) {
        this.#timer = setTimeout(() => this.move(), wait);
        return;
      }
      this.#waiting.shift();
      const socket = this.#to();
      if (next.bytes === 'end') socket?.end();
      else socket?.write(next.bytes);
    }
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
