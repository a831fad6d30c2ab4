/**
 * Watches the observatory over a WebSocket, in a browser or in Node: connects, goes on after every interruption where it was,
 * and gives each change once. `for await (const event of client.subscribe('transfer.overview')) …`
 */
import type { ChannelName, LiveEvent } from './live-events.ts';
import { LiveSubscription } from './live-subscription.ts';
import type { ServerMessage } from './server-message.ts';

export type { ChannelName, LiveEvent, LiveSubscription };

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
  /** called when the connection opens, and when it ends */
  readonly onConnected?: (isConnected: boolean) => void;
  readonly firstPauseMilliseconds?: number;
  readonly longestPauseMilliseconds?: number;
  /** API Gateway ends a connection that is idle for ten minutes; a server that does not answer is gone */
  readonly pingMilliseconds?: number;
  /** a connection that is not there by then is tried again */
  readonly connectMilliseconds?: number;
  /** a subscription of which nothing has come by then is asked for again, with the next ping */
  readonly answerMilliseconds?: number;
  /** opens a WebSocket; the platform's unless another one is given */
  readonly connect?: (url: string) => WebSocket;
}

/** Pings without an answer, after which the server counts as gone. */
const pingsAtMost = 2;

/** What can be asked again as soon as there is room or time. */
const passingErrors = new Set(['unavailable', 'too_many_messages']);

export class LiveClient {
  readonly #settings: Required<Omit<LiveSettings, 'onConnected'>> & Pick<LiveSettings, 'onConnected'>;
  readonly #subscriptions = new Map<string, LiveSubscription<ChannelName>>();
  /** the number of the last subscription: answers to earlier ones are dropped */
  #requests = 0;
  /** requests that were left, of this socket */
  readonly #left = new Set<number>();
  #socket: WebSocket | undefined;
  #isClosed = false;
  #isConnecting = false;
  #failures = 0;
  /** pings since anything has come */
  #unanswered = 0;
  #pings: ReturnType<typeof setInterval> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: LiveSettings) {
    this.#settings = {
      firstPauseMilliseconds: 200,
      longestPauseMilliseconds: 10_000,
      pingMilliseconds: 30_000,
      connectMilliseconds: 10_000,
      answerMilliseconds: 10_000,
      connect: (url) => new WebSocket(url),
      ...settings,
    };
  }

  /** One subscription per channel: a second call gives the same one. It begins with a snapshot. */
  subscribe<C extends ChannelName>(
    channel: C,
    listener?: (event: LiveEvent<C>) => void,
  ): LiveSubscription<C> {
    const known = this.#subscriptions.get(channel) as LiveSubscription<C> | undefined;
    const subscription = known ?? new LiveSubscription<C>(channel, () => this.#unsubscribe(subscription));
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

  #unsubscribe(subscription: Pick<LiveSubscription<ChannelName>, 'channel' | 'request'>): void {
    const { channel, request } = subscription;
    // another one may have taken its place
    if (this.#subscriptions.get(channel) !== subscription) return;
    this.#subscriptions.delete(channel);
    if (request !== undefined) this.#leave(channel, request);
  }

  #leave(channel: string, request: number): void {
    this.#left.add(request);
    this.#send({ type: 'unsubscribe', channel, request });
  }

  #send(message: object): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  async #connect(): Promise<void> {
    if (this.#isClosed || this.#isConnecting || this.#socket) return;
    this.#isConnecting = true;
    try {
      const ticket = await inTime(this.#settings.ticket(), this.#settings.connectMilliseconds);
      if (this.#isClosed) return;
      const { connect } = this.#settings;
      const socket = connect(`${this.#settings.url}/api/ws?ticket=${encodeURIComponent(ticket)}`);
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
    this.#left.clear();
    this.#unanswered = 0;
    for (const subscription of this.#subscriptions.values()) this.#ask(subscription);
    const { pingMilliseconds } = this.#settings;
    clearInterval(this.#pings);
    this.#pings = setInterval(() => {
      // A connection can die without a word. Pings are counted, not time: after a suspension what has come meanwhile is read first.
      if (this.#unanswered >= pingsAtMost) return this.#lost(socket);
      this.#unanswered += 1;
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

  #ask(subscription: Pick<LiveSubscription<ChannelName>, 'channel' | 'since' | 'asked'>): void {
    // one that opens asks for all
    if (this.#socket?.readyState !== 1) return;
    const { channel, since } = subscription;
    this.#requests += 1;
    subscription.asked(this.#requests, Date.now());
    this.#send({ type: 'subscribe', channel, request: this.#requests, ...(since && { since }) });
  }

  /** Not at once, so that a server that keeps losing parts is not flooded. */
  #askSoon(subscription: LiveSubscription<ChannelName>, milliseconds: number): void {
    const { request } = subscription;
    setTimeout(() => {
      const isCurrent = this.#subscriptions.get(subscription.channel) === subscription;
      if (isCurrent && subscription.request === request) this.#ask(subscription);
    }, milliseconds);
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
    this.#unanswered = 0;
    this.#failures = 0;
    const message = JSON.parse(text) as ServerMessage;
    const subscription = this.#subscriptions.get(message.channel ?? '');
    switch (message.type) {
      case 'snapshot':
      case 'update':
      case 'resumed':
        this.#deliver(message, text, subscription);
        return;
      case 'error':
        // the server knows of no such connection, nor of its subscriptions
        if (message.code === 'unregistered') this.#lost(socket);
        else this.#refused(message, subscription);
        return;
      default:
    }
  }

  #deliver(message: ServerMessage, text: string, subscription?: LiveSubscription<ChannelName>): void {
    const { channel = '', request } = message;
    if (subscription && (request === undefined || subscription.request === request)) {
      if (!subscription.receive(message, text, Date.now())) {
        this.#askSoon(subscription, this.#settings.firstPauseMilliseconds);
      }
      return;
    }
    // that it was left has been lost, or was handled before it was asked for
    if (request !== undefined && !this.#left.has(request)) this.#leave(channel, request);
  }

  #refused(
    { code = '', detail = '', request }: ServerMessage,
    subscription?: LiveSubscription<ChannelName>,
  ): void {
    if (!subscription || (request !== undefined && request !== subscription.request)) return;
    if (passingErrors.has(code)) return this.#askSoon(subscription, 1000);
    this.#subscriptions.delete(subscription.channel);
    subscription.end(new LiveError(code, detail));
  }
}

async function inTime<T>(asked: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), milliseconds);
  });
  return Promise.race([asked, tooLate]).finally(() => clearTimeout(timer));
}
