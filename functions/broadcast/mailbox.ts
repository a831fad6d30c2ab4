/** Messages waiting for delivery: in order for each connection, and independent of other connections. */
import type { Since } from '../../lib/sockets/connections.ts';
import { addressed } from '../../lib/channels/protocol.ts';
import type { Post } from '../../lib/sockets/post.ts';

export interface Message {
  readonly text: string;
  readonly channel: string;
  /** the client's number of the request that the message answers */
  readonly request?: number;
  /** a later message of the same channel replaces it while it is waiting */
  readonly folds: boolean;
  /** position that the client reaches with this message; absent if further parts follow */
  readonly since?: Since;
}

export interface MailboxSettings {
  /** concurrent posts, not counting slow ones */
  readonly postsAtOnce: number;
  /** a post that takes longer no longer counts towards `postsAtOnce` */
  readonly slowMilliseconds: number;
  /** messages per connection; if more are waiting, their channels restart with a snapshot */
  readonly maxWaiting: number;
  /** a connection whose posts fail for longer is dropped */
  readonly patienceMilliseconds: number;
  /** until `$connect` has returned, API Gateway reports a new connection as gone */
  readonly openingMilliseconds: number;
}

export const mailboxSettings: MailboxSettings = {
  postsAtOnce: 64,
  slowMilliseconds: 250,
  maxWaiting: 1000,
  patienceMilliseconds: 60_000,
  openingMilliseconds: 30_000,
};

interface Box {
  readonly connectedAt: number;
  readonly waiting: Message[];
  /** channel → position delivered last */
  readonly delivered: Map<string, Since>;
  isSending: boolean;
  /** message in transit whose channel has been subscribed to again */
  forgotten: Message | undefined;
  wasReached: boolean;
  /** last successful post or check, epoch ms */
  reachedAt: number;
  /** first failed post since the last success, epoch ms */
  failingSince: number | undefined;
}

export interface MailboxEvents {
  /** the connection no longer exists */
  readonly gone: (id: string) => void;
  /** too many messages were waiting: the subscription must restart */
  readonly overflowed: (id: string, channel: string) => void;
}

export class Mailbox {
  readonly #post: Post;
  readonly #now: () => number;
  readonly #events: MailboxEvents;
  readonly #settings: MailboxSettings;
  readonly #boxes = new Map<string, Box>();
  readonly #ready: string[] = [];
  #posting = 0;
  #idle: (() => void)[] = [];

  /** @param now epoch ms */
  constructor(post: Post, events: MailboxEvents, now: () => number, settings = mailboxSettings) {
    this.#now = now;
    this.#post = post;
    this.#events = events;
    this.#settings = settings;
  }

  open(id: string, connectedAt: number): void {
    if (this.#boxes.has(id)) return;
    this.#boxes.set(id, {
      connectedAt,
      waiting: [],
      delivered: new Map(),
      isSending: false,
      forgotten: undefined,
      wasReached: false,
      reachedAt: this.#now(),
      failingSince: undefined,
    });
  }

  close(id: string): void {
    this.#boxes.delete(id);
    this.#notifyIdle();
  }

  put(id: string, message: Message): void {
    const box = this.#boxes.get(id);
    if (!box) return;
    const { waiting } = box;
    const replaced = message.folds
      ? waiting.findLastIndex((each, n) => isReplaced(each, message) && !(n === 0 && box.isSending))
      : -1;
    if (replaced >= 0) waiting[replaced] = message;
    else waiting.push(message);
    if (waiting.length > this.#settings.maxWaiting) {
      const channels = new Set(waiting.slice(1).map(({ channel }) => channel));
      waiting.splice(1);
      for (const channel of channels) this.#events.overflowed(id, channel);
    }
    if (!box.isSending) {
      box.isSending = true;
      this.#ready.push(id);
      this.#next();
    }
  }

  /** Drops the waiting messages of a channel, and its delivered position, before the channel restarts. */
  forget(id: string, channel: string): void {
    const box = this.#boxes.get(id);
    if (!box) return;
    const first = box.isSending ? 1 : 0;
    box.delivered.delete(channel);
    if (box.isSending && box.waiting[0]?.channel === channel) box.forgotten = box.waiting[0];
    const kept = box.waiting.slice(first).filter((each) => each.channel !== channel);
    box.waiting.splice(first, box.waiting.length, ...kept);
  }

  /** Connections with waiting messages → their channels with waiting messages → position delivered last. */
  lagging(): Map<string, ReadonlyMap<string, Since | undefined>> {
    return new Map(
      [...this.#boxes].flatMap(([id, { waiting, delivered }]) => {
        const channels = new Set(waiting.map(({ channel }) => channel));
        if (channels.size === 0) return [];
        return [[id, new Map([...channels].map((each) => [each, delivered.get(each)]))]];
      }),
    );
  }

  /** Connections without a successful post or check since then (epoch ms), longest first. */
  silentSince(milliseconds: number): string[] {
    return [...this.#boxes]
      .filter(([, { reachedAt }]) => reachedAt <= milliseconds)
      .sort(([, a], [, b]) => a.reachedAt - b.reachedAt)
      .map(([id]) => id);
  }

  /** Records that the connection is open. */
  reached(id: string): void {
    const box = this.#boxes.get(id);
    if (box) box.reachedAt = this.#now();
  }

  /** Resolves once messages are waiting for slow connections alone, or after the given time. */
  async settled(milliseconds: number): Promise<void> {
    if (this.#isIdle()) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise<void>((resolve) => this.#idle.push(resolve)),
      new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds))),
    ]);
    clearTimeout(timer);
  }

  #isIdle(): boolean {
    return this.#ready.length === 0 && this.#posting === 0;
  }

  #notifyIdle(): void {
    if (!this.#isIdle()) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #next(): void {
    while (this.#posting < this.#settings.postsAtOnce) {
      const id = this.#ready.shift();
      if (id === undefined) break;
      void this.#sendOne(id);
    }
    this.#notifyIdle();
  }

  /** Sends the first message of a connection, then queues the connection again for the next one. */
  async #sendOne(id: string): Promise<void> {
    const box = this.#boxes.get(id);
    const message = box?.waiting[0];
    if (!box || !message) {
      if (box) box.isSending = false;
      this.#next();
      return;
    }
    this.#posting += 1;
    let hasPlace = true;
    const giveUpPlace = () => {
      if (!hasPlace) return;
      hasPlace = false;
      this.#posting -= 1;
      this.#next();
    };
    const slow = setTimeout(giveUpPlace, this.#settings.slowMilliseconds);
    const outcome = await this.#post(id, addressed(message.text, message.request)).catch(
      () => 'failed' as const,
    );
    clearTimeout(slow);
    const isKept = this.#judge(id, box, message, outcome);
    if (!isKept || this.#boxes.get(id) !== box) {
      giveUpPlace();
      return;
    }
    if (outcome !== 'sent') {
      giveUpPlace();
      // with jitter, so that posts throttled together are not retried together
      const elapsed = this.#now() - (box.failingSince ?? this.#now());
      const pause = Math.min(5000, 100 + elapsed) * (0.5 + Math.random() / 2);
      setTimeout(() => this.#again(id, box), pause).unref();
      return;
    }
    this.#again(id, box);
    giveUpPlace();
  }

  #again(id: string, box: Box): void {
    if (box.waiting.length > 0 && this.#boxes.get(id) === box) {
      this.#ready.push(id);
      this.#next();
    } else {
      box.isSending = false;
    }
  }

  /** @returns false if the connection is dropped */
  #judge(id: string, box: Box, message: Message, outcome: 'sent' | 'gone' | 'failed'): boolean {
    const now = this.#now();
    if (outcome === 'sent') {
      if (box.waiting[0] === message) box.waiting.shift();
      const { channel, since } = message;
      if (since && box.forgotten !== message) box.delivered.set(channel, since);
      box.wasReached = true;
      box.reachedAt = now;
      box.failingSince = undefined;
      return true;
    }
    box.failingSince ??= now;
    const { openingMilliseconds, patienceMilliseconds } = this.#settings;
    const isOpening = !box.wasReached && now - box.connectedAt < openingMilliseconds;
    const isOver = outcome === 'gone' ? !isOpening : now - box.failingSince > patienceMilliseconds;
    if (!isOver) return true;
    this.close(id);
    this.#events.gone(id);
    return false;
  }
}

function isReplaced(waiting: Message, message: Message): boolean {
  return waiting.folds && waiting.channel === message.channel;
}
