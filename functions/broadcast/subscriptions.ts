/** Subscriptions of connections to channels: live ones, starting ones, and the changes to save for the next broadcaster. Pure. */
import {
  isEvent,
  isState,
  readChannel,
  type Channel,
  type EventChannel,
} from '../../lib/channels/channels.ts';
import type { Connection, Since, Subscription } from '../../lib/sockets/connections.ts';

/** One subscription of one connection. */
export interface Watcher {
  readonly id: string;
  readonly channel: Channel;
  readonly asked: number;
  /** the client's number of the subscription: every message that answers it carries the number */
  readonly request?: number;
  /** position that the client has: the subscription starts there, here or at the next broadcaster */
  readonly since?: Since;
  /** messages after the client's position are lost, so that it cannot continue from there */
  readonly hasGap: boolean;
}

interface LiveWatcher extends Watcher {
  /** its snapshot was marked as incomplete: another one follows */
  readonly isUnseen: boolean;
}

/** A subscription as it is saved with its connection. */
export type SavedSubscription = Subscription & { readonly id: string };

/** Whether subscriptions that were live at the last broadcaster continue without a snapshot, and from which position. */
export interface Continuation {
  readonly states: boolean;
  readonly events: boolean;
  readonly from: (channel: Channel) => Since;
}

export class Subscriptions {
  /** channel → connection → started subscription */
  readonly #live = new Map<string, Map<string, LiveWatcher>>();
  /** by connection and channel */
  readonly #starting = new Map<string, Watcher>();
  /** the registry's entries of subscriptions that are not saved as live */
  readonly #saved = new Map<string, SavedSubscription>();

  get starting(): readonly Watcher[] {
    return [...this.#starting.values()];
  }

  /** Live subscriptions to a channel. */
  on(channel: string): readonly Watcher[] {
    return [...(this.#live.get(channel)?.values() ?? [])];
  }

  /** Event channels with live subscriptions. */
  eventChannels(): EventChannel[] {
    return this.#channels().filter(isEvent);
  }

  /** Whether a channel of these kinds has a live or starting subscription. */
  has(...kinds: readonly Channel['kind'][]): boolean {
    return [...this.#channels(), ...this.starting.map(({ channel }) => channel)].some(({ kind }) =>
      kinds.includes(kind),
    );
  }

  /** Number of live and starting subscriptions. */
  get count(): number {
    return [...this.#live.values()].reduce((sum, { size }) => sum + size, this.#starting.size);
  }

  /**
   * Updates the subscriptions of a connection. @param continuation for connections of the last broadcaster
   * @returns channels that the connection has left or subscribed to again
   */
  open({ id, subscriptions }: Connection, continuation: Continuation | undefined): string[] {
    const wanted = new Map(subscriptions.map(({ channel, asked }) => [channel, asked]));
    const left = [...this.#live].flatMap(([name, watchers]) => {
      const known = watchers.get(id);
      if (!known || wanted.get(name) === known.asked) return [];
      watchers.delete(id);
      return [name];
    });
    for (const [key, each] of this.#starting) {
      if (each.id === id && wanted.get(each.channel.name) !== each.asked) this.#starting.delete(key);
    }
    const inOrder = [...subscriptions].sort((a, b) => a.asked - b.asked);
    for (const subscription of inOrder) this.#take(id, subscription, continuation);
    return left;
  }

  #take(id: string, subscription: Subscription, continuation: Continuation | undefined): void {
    const { channel: name, asked, request, since, live, gap = false } = subscription;
    const channel = readChannel(name);
    const key = keyOf(id, name);
    if (!channel || this.#live.get(name)?.has(id) || this.#starting.has(key)) return;
    const watcher = { id, channel, asked, hasGap: gap, ...(request !== undefined && { request }) };
    if (live && continuation && (isState(channel) ? continuation.states : continuation.events)) {
      this.#watch({ ...watcher, since: continuation.from(channel), isUnseen: false });
      return;
    }
    const hasGap = gap || (live && !isState(channel));
    this.#starting.set(key, { ...watcher, hasGap, ...(since && { since }) });
    if (!live) this.#saved.set(key, { ...subscription, id });
  }

  /** Makes a subscription live, once its first messages are in the mailbox. Until they arrive, the next broadcaster would restart it. */
  started(pending: Watcher, isUnseen = false): void {
    const key = keyOf(pending.id, pending.channel.name);
    if (this.#starting.get(key) !== pending) return;
    this.#starting.delete(key);
    this.#watch({ ...pending, isUnseen });
  }

  /** Moves a subscription behind the other starting ones. */
  postpone(pending: Watcher): void {
    const key = keyOf(pending.id, pending.channel.name);
    if (this.#starting.get(key) === pending && this.#starting.delete(key)) {
      this.#starting.set(key, pending);
    }
  }

  forget(id: string): void {
    for (const watchers of this.#live.values()) watchers.delete(id);
    for (const entries of [this.#starting, this.#saved]) {
      for (const [key, each] of entries) if (each.id === id) entries.delete(key);
    }
  }

  /** Restarts a subscription that cannot continue, with a snapshot marked `gap`. */
  restart(id: string, name: string): void {
    const watcher = this.#live.get(name)?.get(id);
    if (!watcher) return;
    this.#live.get(name)?.delete(id);
    const { isUnseen: _isUnseen, since: _since, ...rest } = watcher;
    this.#starting.set(keyOf(id, name), { ...rest, hasGap: true });
  }

  /** @returns the connections and channels that restart */
  restartWhere(isBroken: (channel: Channel) => boolean): { readonly id: string; readonly name: string }[] {
    return this.#channels()
      .filter(isBroken)
      .flatMap(({ name }) => this.on(name).map(({ id }) => ({ id, name })))
      .map((each) => {
        this.restart(each.id, each.name);
        return each;
      });
  }

  /** Restarts subscriptions whose snapshot was incomplete. @returns the connections and channels */
  restartUnseen(): { readonly id: string; readonly name: string }[] {
    return this.#unseen().map(({ id, channel: { name } }) => {
      this.restart(id, name);
      return { id, name };
    });
  }

  get hasUnseen(): boolean {
    return this.#unseen().length > 0;
  }

  /**
   * Entries to save for the next broadcaster: those that have changed since the last call.
   * @param lagging connections with waiting messages → channels → position delivered last
   */
  changesToSave(lagging: ReadonlyMap<string, ReadonlyMap<string, Since | undefined>>): SavedSubscription[] {
    const now = new Map<string, SavedSubscription>();
    for (const [id, channels] of lagging) {
      for (const [name, delivered] of channels) {
        const watcher = this.#live.get(name)?.get(id);
        const has = delivered ? { since: delivered, hasGap: false } : {};
        if (watcher) now.set(keyOf(id, name), savedOf({ ...watcher, ...has }));
      }
    }
    for (const { since: _since, ...watcher } of this.#unseen()) {
      now.set(keyOf(watcher.id, watcher.channel.name), savedOf({ ...watcher, hasGap: true }));
    }
    for (const [key, pending] of this.#starting) now.set(key, savedOf(pending));
    const fresh = [...now].flatMap(([key, entry]) => (isSame(this.#saved.get(key), entry) ? [] : [entry]));
    const caughtUp = [...this.#saved].flatMap(([key, { id, channel }]) => {
      const watcher = now.has(key) ? undefined : this.#live.get(channel)?.get(id);
      return watcher ? [savedLiveOf(watcher)] : [];
    });
    for (const [key] of this.#saved) if (!now.has(key)) this.#saved.delete(key);
    for (const entry of fresh) this.#saved.set(keyOf(entry.id, entry.channel), entry);
    return [...fresh, ...caughtUp];
  }

  #unseen(): LiveWatcher[] {
    return [...this.#live.values()].flatMap((watchers) =>
      [...watchers.values()].filter(({ isUnseen }) => isUnseen),
    );
  }

  #watch(watcher: LiveWatcher): void {
    const { name } = watcher.channel;
    const watchers = this.#live.get(name) ?? new Map<string, LiveWatcher>();
    watchers.set(watcher.id, watcher);
    this.#live.set(name, watchers);
  }

  #channels(): Channel[] {
    return [...this.#live.values()].flatMap((watchers) => {
      const [first] = watchers.values();
      return first ? [first.channel] : [];
    });
  }
}

function keyOf(id: string, channel: string): string {
  return `${id} ${channel}`;
}

/** An older saved position of the same request will do: the client drops repeated messages. */
function isSame(saved: SavedSubscription | undefined, entry: SavedSubscription): boolean {
  return (
    saved?.asked === entry.asked &&
    saved.gap === entry.gap &&
    (saved.since === undefined) === (entry.since === undefined)
  );
}

function savedOf({ id, channel, asked, request, since, hasGap }: Watcher): SavedSubscription {
  const entry = { id, channel: channel.name, asked, live: false };
  return {
    ...entry,
    ...(request !== undefined && { request }),
    ...(since && { since }),
    ...(hasGap && { gap: true as const }),
  };
}

function savedLiveOf({ id, channel, asked, request }: Watcher): SavedSubscription {
  return { id, channel: channel.name, asked, live: true, ...(request !== undefined && { request }) };
}
