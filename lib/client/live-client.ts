/**
 * Subscribes to channels over a WebSocket, in a browser or in Node. It reconnects, resumes after interruptions, and delivers each change
 * once. `for await (const event of client.subscribe('transfer.overview')) …`
 */
import type { ChannelName, LiveEvent } from './live-events.ts';
import { LiveSubscription } from './live-subscription.ts';
import type { ServerMessage } from './server-message.ts';

export type { ChannelName, LiveEvent, LiveSubscription };

/** The server refused a request. For `code`, see asyncapi.json. */
export class LiveError extends Error {
  override readonly name = 'LiveError';
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

export interface LiveSettings {
  /** origin of the WebSocket, such as `wss://observatory.org` */
  readonly url: string;
  /** fetches a new ticket: `POST /api/ws/ticket` */
  readonly ticket: () => Promise<string>;
  /** called when the connection opens and when it closes */
  readonly onConnected?: (isConnected: boolean) => void;
  readonly firstPauseMilliseconds?: number;
  readonly longestPauseMilliseconds?: number;
  /** interval of pings, which detect broken connections; API Gateway closes a connection that is idle for ten minutes */
  readonly pingMilliseconds?: number;
  /** time-out of connecting */
  readonly connectMilliseconds?: number;
  /** a subscription without an answer after this time is requested again with the next ping */
  readonly answerMilliseconds?: number;
  /** opens a WebSocket; default: the platform's */
  readonly connect?: (url: string) => WebSocket;
}

/** Unanswered pings after which the connection counts as broken. */
const maxUnansweredPings = 2;

/** Errors after which the request can be repeated. */
const temporaryErrors = new Set(['unavailable', 'too_many_messages']);

export class LiveClient {
  readonly #settings: Required<Omit<LiveSettings, 'onConnected'>> & Pick<LiveSettings, 'onConnected'>;
  readonly #subscriptions = new Map<string, LiveSubscription<ChannelName>>();
  /** number of the last subscription; answers to earlier ones are dropped */
  #requests = 0;
  /** numbers of ended subscriptions of this socket */
  readonly #left = new Set<number>();
  #socket: WebSocket | undefined;
  #isClosed = false;
  #isConnecting = false;
  #failures = 0;
  /** pings since the last message */
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

  /** Returns the subscription to a channel, which begins with a snapshot. A second call returns the same one. */
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

  /** Closes the connection and all subscriptions. */
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
    // a newer subscription may have replaced it
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
      // in Node, a refused handshake raises only this event
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
      // Detects a broken connection. Counts pings instead of time, since after a suspension pending messages are read first.
      if (this.#unanswered >= maxUnansweredPings) return this.#lost(socket);
      this.#unanswered += 1;
      socket.send('{"type":"ping"}');
      this.#askAgain();
    }, pingMilliseconds);
  }

  /** Repeats subscriptions without an answer, since the request or the answer may be lost. */
  #askAgain(): void {
    const tooLong = Date.now() - this.#settings.answerMilliseconds;
    for (const subscription of this.#subscriptions.values()) {
      if ((subscription.askedAt ?? Infinity) < tooLong) this.#ask(subscription);
    }
  }

  #ask(subscription: Pick<LiveSubscription<ChannelName>, 'channel' | 'since' | 'asked'>): void {
    // a socket that opens requests all subscriptions
    if (this.#socket?.readyState !== 1) return;
    const { channel, since } = subscription;
    this.#requests += 1;
    subscription.asked(this.#requests, Date.now());
    this.#send({ type: 'subscribe', channel, request: this.#requests, ...(since && { since }) });
  }

  /** Repeats a subscription after a pause, so that repeated failures do not flood the server. */
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
        // the server has lost the connection and its subscriptions
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
    // the server has not processed the unsubscribe, or processed it before the subscribe
    if (request !== undefined && !this.#left.has(request)) this.#leave(channel, request);
  }

  #refused(
    { code = '', detail = '', request }: ServerMessage,
    subscription?: LiveSubscription<ChannelName>,
  ): void {
    if (!subscription || (request !== undefined && request !== subscription.request)) return;
    if (temporaryErrors.has(code)) return this.#askSoon(subscription, 1000);
    this.#subscriptions.delete(subscription.channel);
    subscription.end(new LiveError(code, detail));
  }
}

async function inTime<T>(call: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), milliseconds);
  });
  return Promise.race([call, tooLate]).finally(() => clearTimeout(timer));
}
