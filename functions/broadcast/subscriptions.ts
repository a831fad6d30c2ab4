/** Who watches what: subscriptions that have their snapshot, those that begin, and what the next broadcaster must know. Pure. */
import { isState, readChannel, type Channel } from '../../lib/change-feed/channels.ts';
import type { Connection, Since, Subscription } from '../../lib/change-feed/connections.ts';

/** One subscription of one connection. */
export interface Watcher {
  readonly id: string;
  readonly channel: Channel;
  readonly asked: number;
}

export interface Beginner extends Watcher {
  /** what the client says that it has */
  readonly since?: Since;
  /** it was told more before, and cannot go on from there */
  readonly hasGap: boolean;
}

/** What is noted of a subscription with its connection. */
export type Note = Subscription & { readonly id: string };

/** Whether what was live at the last broadcaster goes on at this one. */
export interface GoesOn {
  readonly states: boolean;
  readonly events: boolean;
}

export class Subscriptions {
  /** channel → connection → subscription that has its snapshot */
  readonly #live = new Map<string, Map<string, Watcher>>();
  /** by connection and channel */
  readonly #beginning = new Map<string, Beginner>();
  /** noted as not live for the next broadcaster */
  #noted = new Map<string, Note>();

  get beginning(): readonly Beginner[] {
    return [...this.#beginning.values()];
  }

  /** Connections that watch a channel. */
  on(channel: string): readonly string[] {
    return [...(this.#live.get(channel)?.keys() ?? [])];
  }

  /** Event channels that somebody watches. */
  eventChannels(): Channel[] {
    return this.#channels().filter((channel) => !isState(channel));
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
    for (const { channel: name, asked, since, live, gap = false } of subscriptions) {
      const channel = readChannel(name);
      if (!channel || this.#live.get(name)?.has(id)) continue;
      const watcher = { id, channel, asked };
      if (live && (isState(channel) ? goesOn?.states : goesOn?.events)) {
        this.#watch(watcher);
      } else {
        const hasGap = gap || (live && !isState(channel));
        this.#beginning.set(keyOf(id, name), { ...watcher, hasGap, ...(since && { since }) });
      }
    }
    return left;
  }

  /** It has been sent what it begins with; until it has got that, the next broadcaster begins it again. */
  begun(beginner: Beginner): void {
    const { id, channel, asked, since, hasGap } = beginner;
    const key = keyOf(id, channel.name);
    this.#beginning.delete(key);
    this.#watch({ id, channel, asked });
    this.#noted.set(key, noteOf(beginner, since, hasGap));
  }

  /** It could not begin: the others come first. */
  postpone(beginner: Beginner): void {
    const key = keyOf(beginner.id, beginner.channel.name);
    if (this.#beginning.delete(key)) this.#beginning.set(key, beginner);
  }

  forget(id: string): void {
    for (const watchers of this.#live.values()) watchers.delete(id);
    for (const [key, beginner] of this.#beginning) if (beginner.id === id) this.#beginning.delete(key);
  }

  /** A subscription that cannot go on gets a fresh snapshot that says so. */
  restart(id: string, name: string): void {
    const watcher = this.#live.get(name)?.get(id);
    if (!watcher) return;
    this.#live.get(name)?.delete(id);
    this.#beginning.set(keyOf(id, name), { ...watcher, hasGap: true });
  }

  restartWhere(isBroken: (channel: Channel) => boolean): void {
    for (const { name } of this.#channels().filter(isBroken)) {
      for (const id of this.on(name)) this.restart(id, name);
    }
  }

  /**
   * What has changed since the last time in what the next broadcaster must know.
   * @param behind connections that have not got everything: of each channel, what they have
   */
  notes(behind: ReadonlyMap<string, ReadonlyMap<string, Since | undefined>>): Note[] {
    const now = new Map<string, Note>();
    for (const [id, channels] of behind) {
      for (const [name, since] of channels) {
        const watcher = this.#live.get(name)?.get(id);
        if (watcher) now.set(keyOf(id, name), noteOf(watcher, since));
      }
    }
    for (const [key, beginner] of this.#beginning) {
      now.set(key, noteOf(beginner, beginner.since, beginner.hasGap));
    }
    const caughtUp = [...this.#noted].flatMap(([key, { id, channel, asked }]) =>
      !now.has(key) && this.#live.get(channel)?.has(id) ? [{ id, channel, asked, live: true }] : [],
    );
    const fresh = [...now].flatMap(([key, note]) => (this.#noted.has(key) ? [] : [note]));
    this.#noted = now;
    return [...fresh, ...caughtUp];
  }

  #watch(watcher: Watcher): void {
    const { name } = watcher.channel;
    const watchers = this.#live.get(name) ?? new Map<string, Watcher>();
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

function noteOf({ id, channel, asked }: Watcher, since: Since | undefined, hasGap = false): Note {
  const note = { id, channel: channel.name, asked, live: false };
  return { ...note, ...(since && { since }), ...(hasGap && { gap: true as const }) };
}
