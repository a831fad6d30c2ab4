/**
 * Watches the observatory over a WebSocket, in a browser or in Node: connects, goes on after every interruption where it was,
 * and gives each change once. `for await (const event of client.subscribe('transfer.overview')) …`
 */
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { TransactionStatus } from '../smart-query/transactions.ts';
import type { TransferOverview } from '../transfer/overview.ts';

type UnitsChannel = 'executed_obs_units' | `executed_obs_units?obs_unit_id=${number}`;
export type ChannelName = 'transfer.overview' | 'buffer' | UnitsChannel | `transactions.${string}`;

/** What a record looks like that fits no message: read it over HTTP. */
export interface TooLarge {
  readonly id: string;
  readonly error: 'too_large';
  readonly location: string;
}

type Data<C extends ChannelName> = C extends 'transfer.overview'
  ? { readonly snapshot: TransferOverview; readonly update: TransferOverview }
  : C extends 'buffer'
    ? {
        readonly snapshot: Readonly<Record<string, unknown>>;
        readonly update: Readonly<Record<string, unknown>>;
      }
    : C extends UnitsChannel
      ? {
          /** the newest hundred */
          readonly snapshot: readonly (ExecutedObsUnit | TooLarge)[];
          /** null: the record is there no more */
          readonly update: ExecutedObsUnit | TooLarge | null;
        }
      : { readonly snapshot: TransactionStatus | null; readonly update: TransactionStatus | null };

export type LiveEvent<C extends ChannelName> =
  | {
      readonly type: 'snapshot';
      readonly channel: C;
      readonly position: string;
      readonly data: Data<C>['snapshot'];
      /** changes before it may not have been told one by one */
      readonly gap: boolean;
    }
  | {
      readonly type: 'update';
      readonly channel: C;
      readonly position: string;
      readonly data: Data<C>['update'];
      /** of event channels: what has happened to the record */
      readonly change?: string;
      /** of event channels: which record */
      readonly record?: string;
    };

/** The server will not do what was asked: `code` as asyncapi.json lists them. */
export class LiveError extends Error {
  override readonly name = 'LiveError';
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

export interface LiveSettings {
  /** of the WebSocket, as `wss://observatory.org` */
  readonly url: string;
  /** a fresh ticket: `POST /api/ws/ticket` */
  readonly ticket: () => Promise<string>;
  /** told whenever it is connected, or not any more */
  readonly onConnected?: (isConnected: boolean) => void;
  readonly firstPauseMilliseconds?: number;
  readonly longestPauseMilliseconds?: number;
  /** API Gateway ends a connection that is idle for ten minutes; a server that does not answer is gone */
  readonly pingMilliseconds?: number;
  /** a connection that is not there by then is tried again */
  readonly connectMilliseconds?: number;
  /** a subscription of which nothing has come by then is asked for again, with the next ping */
  readonly answerMilliseconds?: number;
}

interface ServerMessage {
  readonly type: 'snapshot' | 'update' | 'resumed' | 'unsubscribed' | 'pong' | 'error';
  readonly channel?: string;
  readonly epoch: string;
  readonly position: string;
  readonly fence: number;
  readonly part?: number;
  readonly parts?: number;
  readonly gap?: boolean;
  readonly change?: string;
  readonly record?: string;
  readonly data: unknown;
  readonly code?: string;
  readonly detail?: string;
}

/** What can be asked again as soon as there is room or time. */
const passingErrors = new Set(['unavailable', 'too_many_messages']);

export class LiveClient {
  readonly #settings: Required<Omit<LiveSettings, 'onConnected'>> & Pick<LiveSettings, 'onConnected'>;
  readonly #subscriptions = new Map<string, LiveSubscription<ChannelName>>();
  #socket: WebSocket | undefined;
  #isClosed = false;
  #isConnecting = false;
  #failures = 0;
  #answeredAt = 0;
  #pings: ReturnType<typeof setInterval> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: LiveSettings) {
    this.#settings = {
      firstPauseMilliseconds: 200,
      longestPauseMilliseconds: 10_000,
      pingMilliseconds: 30_000,
      connectMilliseconds: 10_000,
      answerMilliseconds: 10_000,
      ...settings,
    };
  }

  /** One subscription per channel: a second call gives the same one. It begins with a snapshot. */
  subscribe<C extends ChannelName>(
    channel: C,
    listener?: (event: LiveEvent<C>) => void,
  ): LiveSubscription<C> {
    const known = this.#subscriptions.get(channel) as LiveSubscription<C> | undefined;
    const subscription = known ?? new LiveSubscription<C>(channel, () => this.#unsubscribe(channel));
    if (listener) subscription.listen(listener);
    if (known) return known;
    this.#subscriptions.set(channel, subscription as unknown as LiveSubscription<ChannelName>);
    if (this.#socket?.readyState === 1) this.#ask(subscription);
    else void this.#connect();
    return subscription;
  }

  /** Ends the connection and every subscription. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#pings);
    clearTimeout(this.#retry);
    this.#socket?.close(1000);
    for (const subscription of this.#subscriptions.values()) subscription.end();
    this.#subscriptions.clear();
  }

  #unsubscribe(channel: string): void {
    if (!this.#subscriptions.delete(channel)) return;
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify({ type: 'unsubscribe', channel }));
  }

  async #connect(): Promise<void> {
    if (this.#isClosed || this.#isConnecting || this.#socket) return;
    this.#isConnecting = true;
    try {
      const ticket = await inTime(this.#settings.ticket(), this.#settings.connectMilliseconds);
      if (this.#isClosed) return;
      const socket = new WebSocket(`${this.#settings.url}/api/ws?ticket=${encodeURIComponent(ticket)}`);
      this.#socket = socket;
      socket.addEventListener('open', () => this.#opened(socket));
      socket.addEventListener('message', ({ data }) => {
        if (this.#socket === socket) this.#received(String(data), socket);
      });
      socket.addEventListener('close', () => this.#lost(socket));
      // Node's sockets tell of a refused handshake by this alone
      socket.addEventListener('error', () => this.#lost(socket));
      setTimeout(() => {
        if (socket.readyState !== 1) this.#lost(socket);
      }, this.#settings.connectMilliseconds);
    } catch {
      this.#again();
    } finally {
      this.#isConnecting = false;
    }
  }

  #opened(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    this.#settings.onConnected?.(true);
    this.#answeredAt = Date.now();
    for (const subscription of this.#subscriptions.values()) this.#ask(subscription);
    const { pingMilliseconds } = this.#settings;
    clearInterval(this.#pings);
    this.#pings = setInterval(() => {
      // a connection can die without a word
      if (Date.now() - this.#answeredAt > 2.5 * pingMilliseconds) return this.#lost(socket);
      socket.send('{"type":"ping"}');
      this.#askAgain();
    }, pingMilliseconds);
  }

  /** An answer can be lost as well as a question. */
  #askAgain(): void {
    const tooLong = Date.now() - this.#settings.answerMilliseconds;
    for (const subscription of this.#subscriptions.values()) {
      if ((subscription.askedAt ?? Infinity) < tooLong) this.#ask(subscription);
    }
  }

  #ask(subscription: Pick<LiveSubscription<ChannelName>, 'channel' | 'since' | 'askedAt'>): void {
    const { channel, since } = subscription;
    subscription.askedAt = Date.now();
    this.#socket?.send(JSON.stringify({ type: 'subscribe', channel, ...(since && { since }) }));
  }

  #lost(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    clearInterval(this.#pings);
    socket.close();
    this.#settings.onConnected?.(false);
    this.#again();
  }

  #again(): void {
    if (this.#isClosed) return;
    this.#failures += 1;
    const { firstPauseMilliseconds, longestPauseMilliseconds } = this.#settings;
    const ceiling = Math.min(longestPauseMilliseconds, firstPauseMilliseconds * 2 ** this.#failures);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), ceiling * (0.5 + Math.random() / 2));
  }

  #received(text: string, socket: WebSocket): void {
    this.#answeredAt = Date.now();
    this.#failures = 0;
    const message = JSON.parse(text) as ServerMessage;
    const subscription = this.#subscriptions.get(message.channel ?? '');
    switch (message.type) {
      case 'snapshot':
      case 'update':
      case 'resumed':
        subscription?.receive(message);
        return;
      case 'error':
        // the server knows of no such connection, nor of its subscriptions
        if (message.code === 'unregistered') this.#lost(socket);
        else this.#refused(message, subscription);
        return;
      default:
    }
  }

  #refused({ code = '', detail = '' }: ServerMessage, subscription?: LiveSubscription<ChannelName>): void {
    if (!subscription) return;
    if (passingErrors.has(code)) {
      setTimeout(() => {
        if (this.#subscriptions.get(subscription.channel) === subscription) this.#ask(subscription);
      }, 1000);
      return;
    }
    this.#subscriptions.delete(subscription.channel);
    subscription.end(new LiveError(code, detail));
  }
}

/** The events of one channel, each once and in order. What is not read waits. */
export class LiveSubscription<C extends ChannelName> implements AsyncIterable<LiveEvent<C>> {
  readonly channel: C;
  /** where it is; undefined before the first snapshot */
  since: { readonly epoch: string; readonly position: string } | undefined;
  /** for the client alone: since when nothing has come of it, epoch ms */
  askedAt: number | undefined;
  readonly #close: () => void;
  readonly #listeners: ((event: LiveEvent<C>) => void)[] = [];
  readonly #waiting: LiveEvent<C>[] = [];
  #fence = 0;
  #parts: unknown[] = [];
  #isRead = false;
  #wake: (() => void) | undefined;
  #ended: { readonly error: Error | undefined } | undefined;

  constructor(channel: C, close: () => void) {
    this.channel = channel;
    this.#close = close;
  }

  listen(listener: (event: LiveEvent<C>) => void): void {
    this.#listeners.push(listener);
  }

  /** Ends the subscription. */
  close(): void {
    this.#close();
    this.end();
  }

  /** @throws LiveError if the server ends it */
  async *[Symbol.asyncIterator](): AsyncGenerator<LiveEvent<C>, void> {
    this.#isRead = true;
    for (;;) {
      const next = this.#waiting.shift();
      if (next) yield next;
      else if (this.#ended?.error) throw this.#ended.error;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** For the client alone. */
  end(error?: Error): void {
    this.#ended ??= { error };
    this.#wake?.();
  }

  /** For the client alone: takes what is new, and drops what it has or what an older broadcaster says. */
  receive(message: ServerMessage): void {
    const { epoch, position, fence } = message;
    this.askedAt = undefined;
    const isSameEpoch = this.since?.epoch === epoch;
    if (isSameEpoch && fence < this.#fence) return;
    this.#fence = fence;
    if (message.type === 'resumed') return;
    const isKnown = isSameEpoch && !isAfter(position, this.since?.position ?? '');
    if (isKnown && message.gap !== true) return;
    if (message.type === 'update') {
      this.since = { epoch, position };
      const { change, record } = message;
      this.#emit({
        type: 'update',
        channel: this.channel,
        position,
        data: message.data as Data<C>['update'],
        ...(change !== undefined && { change }),
        ...(record !== undefined && { record }),
      });
      return;
    }
    const { part = 1, parts = 1 } = message;
    if (part === 1) this.#parts = [];
    this.#parts.push(message.data);
    if (part < parts) return;
    this.since = { epoch, position };
    const data = (message.parts === undefined ? message.data : this.#parts.flat()) as Data<C>['snapshot'];
    this.#emit({ type: 'snapshot', channel: this.channel, position, data, gap: message.gap === true });
  }

  #emit(event: LiveEvent<C>): void {
    for (const listener of this.#listeners) listener(event);
    if (this.#listeners.length > 0 && !this.#isRead) return;
    this.#waiting.push(event);
    this.#wake?.();
  }
}

/** In the order of the feed: milliseconds, then a number. */
function isAfter(position: string, other: string): boolean {
  const [a = [0, 0], b = [0, 0]] = [position, other].map((each) => each.split('-').map(Number));
  return (a[0] ?? 0) - (b[0] ?? 0) > 0 || (a[0] === b[0] && (a[1] ?? 0) > (b[1] ?? 0));
}

async function inTime<T>(asked: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), milliseconds);
  });
  return Promise.race([asked, tooLate]).finally(() => clearTimeout(timer));
}
