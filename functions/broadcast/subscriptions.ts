/** Which connection watches which channel: live subscriptions, those that begin, and what the next broadcaster must know. Pure. */
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
  /** the client's number of it: every message that answers carries it */
  readonly request?: number;
  /** what the client has: it begins there, or the next broadcaster begins it there if this one delivers nothing */
  readonly since?: Since;
  /** the client has been sent more than it has, and cannot go on from there */
  readonly hasGap: boolean;
}

interface LiveWatcher extends Watcher {
  /** its snapshot says that something could not be seen: it gets another one */
  readonly isUnseen: boolean;
}

/** What is noted of a subscription with its connection. */
export type Note = Subscription & { readonly id: string };

/** Whether what was live at the last broadcaster goes on at this one, and from where. */
export interface GoesOn {
  readonly states: boolean;
  readonly events: boolean;
  readonly from: (channel: Channel) => Since;
}

export class Subscriptions {
  /** channel → connection → subscription that has its snapshot */
  readonly #live = new Map<string, Map<string, LiveWatcher>>();
  /** by connection and channel */
  readonly #beginning = new Map<string, Watcher>();
  /** what the registry says, of those that it does not have as live */
  readonly #noted = new Map<string, Note>();

  get beginning(): readonly Watcher[] {
    return [...this.#beginning.values()];
  }

  /** Those that watch a channel. */
  on(channel: string): readonly Watcher[] {
    return [...(this.#live.get(channel)?.values() ?? [])];
  }

  /** Event channels that are watched. */
  eventChannels(): EventChannel[] {
    return this.#channels().filter(isEvent);
  }

  /** Whether a channel of these kinds is watched, or about to be. */
  has(...kinds: readonly Channel['kind'][]): boolean {
    return [...this.#channels(), ...this.beginning.map(({ channel }) => channel)].some(({ kind }) =>
      kinds.includes(kind),
    );
  }

  /** Live subscriptions, and those that begin. */
  get count(): number {
    return [...this.#live.values()].reduce((sum, { size }) => sum + size, this.#beginning.size);
  }

  /**
   * Takes what a connection is subscribed to now. @param goesOn of connections that the last broadcaster had
   * @returns channels that it has left, or asked for anew
   */
  open({ id, subscriptions }: Connection, goesOn: GoesOn | undefined): string[] {
    const wanted = new Map(subscriptions.map(({ channel, asked }) => [channel, asked]));
    const left = [...this.#live].flatMap(([name, watchers]) => {
      const known = watchers.get(id);
      if (!known || wanted.get(name) === known.asked) return [];
      watchers.delete(id);
      return [name];
    });
    for (const [key, each] of this.#beginning) {
      if (each.id === id && wanted.get(each.channel.name) !== each.asked) this.#beginning.delete(key);
    }
    const inOrder = [...subscriptions].sort((a, b) => a.asked - b.asked);
    for (const subscription of inOrder) this.#take(id, subscription, goesOn);
    return left;
  }

  #take(id: string, subscription: Subscription, goesOn: GoesOn | undefined): void {
    const { channel: name, asked, request, since, live, gap = false } = subscription;
    const channel = readChannel(name);
    const key = keyOf(id, name);
    if (!channel || this.#live.get(name)?.has(id) || this.#beginning.has(key)) return;
    const watcher = { id, channel, asked, hasGap: gap, ...(request !== undefined && { request }) };
    if (live && goesOn && (isState(channel) ? goesOn.states : goesOn.events)) {
      this.#watch({ ...watcher, since: goesOn.from(channel), isUnseen: false });
      return;
    }
    const hasGap = gap || (live && !isState(channel));
    this.#beginning.set(key, { ...watcher, hasGap, ...(since && { since }) });
    if (!live) this.#noted.set(key, { ...subscription, id });
  }

  /** It has been sent what it begins with; until it has got that, the next broadcaster begins it again. */
  begun(beginner: Watcher, isUnseen = false): void {
    const key = keyOf(beginner.id, beginner.channel.name);
    if (this.#beginning.get(key) !== beginner) return;
    this.#beginning.delete(key);
    this.#watch({ ...beginner, isUnseen });
  }

  /** Whether it still begins: it may have been asked for anew, or left. */
  begins(beginner: Watcher): boolean {
    return this.#beginning.get(keyOf(beginner.id, beginner.channel.name)) === beginner;
  }

  /** It could not begin: the others come first. */
  postpone(beginner: Watcher): void {
    const key = keyOf(beginner.id, beginner.channel.name);
    if (this.#beginning.get(key) === beginner && this.#beginning.delete(key)) {
      this.#beginning.set(key, beginner);
    }
  }

  forget(id: string): void {
    for (const watchers of this.#live.values()) watchers.delete(id);
    for (const entries of [this.#beginning, this.#noted]) {
      for (const [key, each] of entries) if (each.id === id) entries.delete(key);
    }
  }

  /** A subscription that cannot go on gets a fresh snapshot that says so. */
  restart(id: string, name: string): void {
    const watcher = this.#live.get(name)?.get(id);
    if (!watcher) return;
    this.#live.get(name)?.delete(id);
    const { isUnseen: _isUnseen, since: _since, ...rest } = watcher;
    this.#beginning.set(keyOf(id, name), { ...rest, hasGap: true });
  }

  /** @returns the connections and channels that begin anew */
  restartWhere(isBroken: (channel: Channel) => boolean): { readonly id: string; readonly name: string }[] {
    return this.#channels()
      .filter(isBroken)
      .flatMap(({ name }) => this.on(name).map(({ id }) => ({ id, name })))
      .map((each) => {
        this.restart(each.id, each.name);
        return each;
      });
  }

  /** Those whose snapshot could not show everything begin anew. @returns the connections and channels */
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
   * What has changed since the last time in what the next broadcaster must know.
   * @param behind connections that have not got everything: of each channel, what was delivered last
   */
  notes(behind: ReadonlyMap<string, ReadonlyMap<string, Since | undefined>>): Note[] {
    const now = new Map<string, Note>();
    for (const [id, channels] of behind) {
      for (const [name, delivered] of channels) {
        const watcher = this.#live.get(name)?.get(id);
        const has = delivered ? { since: delivered, hasGap: false } : {};
        if (watcher) now.set(keyOf(id, name), noteOf({ ...watcher, ...has }));
      }
    }
    for (const { since: _since, ...watcher } of this.#unseen()) {
      now.set(keyOf(watcher.id, watcher.channel.name), noteOf({ ...watcher, hasGap: true }));
    }
    for (const [key, beginner] of this.#beginning) now.set(key, noteOf(beginner));
    const fresh = [...now].flatMap(([key, note]) => (isSame(this.#noted.get(key), note) ? [] : [note]));
    const caughtUp = [...this.#noted].flatMap(([key, { id, channel }]) => {
      const watcher = now.has(key) ? undefined : this.#live.get(channel)?.get(id);
      return watcher ? [liveNoteOf(watcher)] : [];
    });
    for (const [key] of this.#noted) if (!now.has(key)) this.#noted.delete(key);
    for (const note of fresh) this.#noted.set(keyOf(note.id, note.channel), note);
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

/** An older position of the same request is as good: what is delivered twice is dropped by the client. */
function isSame(noted: Note | undefined, note: Note): boolean {
  return (
    noted?.asked === note.asked &&
    noted.gap === note.gap &&
    (noted.since === undefined) === (note.since === undefined)
  );
}

function noteOf({ id, channel, asked, request, since, hasGap }: Watcher): Note {
  const note = { id, channel: channel.name, asked, live: false };
  return {
    ...note,
    ...(request !== undefined && { request }),
    ...(since && { since }),
    ...(hasGap && { gap: true as const }),
  };
}

function liveNoteOf({ id, channel, asked, request }: Watcher): Note {
  return { id, channel: channel.name, asked, live: true, ...(request !== undefined && { request }) };
}
