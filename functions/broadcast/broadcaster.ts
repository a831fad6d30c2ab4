/** What one holder of the lease does: it follows the feed, and tells each subscription what is new. */
import type { StreamName } from '../../lib/change-feed/append.ts';
import { isState, readChannel, streamOf, type Channel } from '../../lib/change-feed/channels.ts';
import { readCheckpoint, writeCheckpoint } from '../../lib/change-feed/checkpoint.ts';
import {
  listConnections,
  noteSubscriptions,
  readConnections,
  unregister,
  type Connection,
  type Since,
  type Subscription,
} from '../../lib/change-feed/connections.ts';
import { errorMessage, resumedMessage, stateMessage, type Heading } from '../../lib/change-feed/protocol.ts';
import { readBetween, readEnds, readFeed, type Feed, type FeedEntry } from '../../lib/change-feed/read.ts';
import { outboxEnd, relayOutbox } from '../../lib/change-feed/relay.ts';
import type { Log } from '../../lib/observability/log.ts';
import { noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { Mailbox, type MailboxSettings } from './mailbox.ts';
import type { Disconnect, Post } from './post.ts';
import { withoutRight } from './revocation.ts';
import { eventTexts, readState, snapshotTexts } from './texts.ts';

export interface BroadcasterParts extends SmartQueryParts {
  readonly post: Post;
  readonly disconnect: Disconnect;
  readonly log: Log;
}

/** At most five times a second. */
const statePauseMilliseconds = 200;
/** The buffer's ages change by time alone. */
const bufferPauseMilliseconds = 1000;
const credentialPauseMilliseconds = 2000;
const settleMilliseconds = 300;
/** A publication that was lost is made up for by then. */
const readPauseMilliseconds = 1000;
/** A registration that the feed did not tell of is found by then. */
const lookPauseMilliseconds = 60_000;

/** One subscription of one connection. */
interface Watcher {
  readonly id: string;
  readonly channel: Channel;
  readonly asked: number;
}

interface Beginner extends Watcher {
  /** what the client says that it has */
  readonly since?: Since;
  /** it was told more before, and cannot go on from there */
  readonly hasGap: boolean;
}

type StateKind = 'transfer' | 'buffer';
const stateChannels = { transfer: 'transfer.overview', buffer: 'buffer' } as const;

interface State {
  /** as it was told to everyone */
  readonly json: string;
  readonly position: string;
  readonly readAt: number;
  isStale: boolean;
}

export class Broadcaster {
  readonly #parts: BroadcasterParts;
  readonly #fence: number;
  readonly #newEpoch: string;
  readonly #mailbox: Mailbox;
  readonly #connections = new Map<string, Connection>();
  /** channel → connection → subscription that has its snapshot */
  readonly #live = new Map<string, Map<string, Watcher>>();
  /** by connection and channel */
  readonly #beginning = new Map<string, Beginner>();
  readonly #states = new Map<StateKind, State>();
  /** noted as behind for the next broadcaster */
  #notedBehind = new Map<string, Note>();
  #epoch = '';
  #at: Record<StreamName, string> = {
    observations: '0-0',
    transfer: '0-0',
    buffer: '0-0',
    connections: '0-0',
  };
  /** whether what was live at the last broadcaster may go on here */
  #goesOn = { states: false, events: false };
  #lookedAt: number | undefined;
  #readAt = 0;
  /** what the relay has seen; undefined: no replica answers, or none was asked yet */
  #outboxEnd: string | undefined;
  #checkedAt = 0;
  #written = '';
  #isCut = false;

  /** @param newEpoch names the feed if it has no epoch yet */
  constructor(parts: BroadcasterParts, fence: number, newEpoch: string, settings?: MailboxSettings) {
    this.#parts = parts;
    this.#fence = fence;
    this.#newEpoch = newEpoch;
    this.#mailbox = new Mailbox(
      parts.post,
      { gone: (id) => void this.#drop(id), overflowed: (id, channel) => this.#restart(id, channel) },
      settings,
    );
  }

  /** More waits than one round has done. */
  get hasMore(): boolean {
    return this.#isCut || this.#beginning.size > 0;
  }

  /** Takes up where the last broadcaster has left off. */
  async begin(): Promise<void> {
    const { redis, keys } = this.#parts;
    const left = await readCheckpoint(redis, keys);
    const { epoch, positions } = await readEnds(redis, keys, this.#newEpoch);
    this.#epoch = epoch;
    this.#at = positions;
    if (left?.epoch !== epoch) return;
    // connections are all looked at in the first round: what is told of them counts from now
    this.#at = { ...left.positions, connections: positions.connections };
    // one that ended without a word may have told a state that it did not note: it is told anew
    this.#goesOn = { events: true, states: left.isWhole };
    if (!left.isWhole) return;
    for (const [kind, json] of Object.entries(left.states)) {
      const position = this.#at[kind as StateKind];
      this.#states.set(kind as StateKind, { json, position, readAt: 0, isStale: true });
    }
  }

  /**
   * Relays, reads and sends what is new. Redis is asked only if something may be: the replica's outbox can be looked at often,
   * and costs nothing.
   * @param wasWoken something was published @returns how many connections are open
   */
  async round(nowMilliseconds: number, wasWoken: boolean): Promise<number> {
    const { redis, keys } = this.#parts;
    const hasRelayed = await this.#relay();
    if (!wasWoken && !hasRelayed && !this.#isDue(nowMilliseconds)) return this.#connections.size;
    this.#readAt = nowMilliseconds;
    const feed = await readFeed(redis, keys, this.#at, this.#newEpoch);
    await this.#look(feed, nowMilliseconds);
    this.#restartBroken(feed);
    // what throws before the positions move is done again in the next round
    await this.#sendEvents(feed.tails.observations.entries);
    this.#move(feed);
    await this.#sendStates(feed, nowMilliseconds);
    await this.#beginSubscriptions(nowMilliseconds);
    await this.#endRevoked(nowMilliseconds);
    await this.#mailbox.settled(settleMilliseconds);
    await this.#checkpoint(false);
    return this.#connections.size;
  }

  /** Leaves word for the next holder, who goes on from here without a snapshot. */
  async handOver(): Promise<void> {
    await this.#mailbox.settled(2000);
    await this.#checkpoint(true);
  }

  #isDue(now: number): boolean {
    const isStale = [...this.#states.values()].some((state) => state.isStale);
    return this.hasMore || isStale || now - this.#readAt >= readPauseMilliseconds;
  }

  /** @returns whether there was something */
  async #relay(): Promise<boolean> {
    const { redis, keys, replicas, log } = this.#parts;
    try {
      return await readFromReplica(replicas, noFloor, async (database) => {
        const end = await outboxEnd(database);
        if (end === this.#outboxEnd) return false;
        while (await relayOutbox(redis, keys, database));
        this.#outboxEnd = end;
        return true;
      });
    } catch (error) {
      if (this.#outboxEnd !== undefined) log.warn('changes of others wait for a replica', { error });
      this.#outboxEnd = undefined;
      return false;
    }
  }

  /** Connections that came, went or changed what they watch. */
  async #look({ tails }: Feed, nowMilliseconds: number): Promise<void> {
    const { redis, keys } = this.#parts;
    const { entries, isBroken } = tails.connections;
    const changed = new Set(entries.flatMap(({ record }) => record ?? []));
    const isFirst = this.#lookedAt === undefined;
    if (isFirst || isBroken || nowMilliseconds - (this.#lookedAt ?? 0) > lookPauseMilliseconds) {
      for (const id of await listConnections(redis, keys, nowMilliseconds)) changed.add(id);
      for (const id of this.#connections.keys()) changed.add(id);
    }
    if (changed.size > 0) {
      const found = await readConnections(redis, keys, [...changed]);
      for (const connection of found) this.#open(connection, isFirst);
      const present = new Set(found.map(({ id }) => id));
      for (const id of changed) if (!present.has(id)) this.#forget(id);
    }
    if (isFirst || changed.size > entries.length) this.#lookedAt = nowMilliseconds;
  }

  #open(connection: Connection, isFirst: boolean): void {
    const { id, subscriptions } = connection;
    this.#connections.set(id, connection);
    this.#mailbox.open(id, connection.connectedAt);
    const wanted = new Map(subscriptions.map((each) => [each.channel, each.asked]));
    for (const [name, watchers] of this.#live) {
      const known = watchers.get(id);
      if (!known || wanted.get(name) === known.asked) continue;
      watchers.delete(id);
      this.#mailbox.forget(id, name);
    }
    for (const { channel: name, asked, since, live, gap = false } of subscriptions) {
      const channel = readChannel(name);
      if (!channel || this.#live.get(name)?.has(id)) continue;
      const goesOn = isState(channel) ? this.#goesOn.states : this.#goesOn.events;
      const watcher = { id, channel, asked };
      if (live && isFirst && goesOn) this.#watch(watcher);
      else {
        const hasGap = gap || (live && !isState(channel));
        this.#beginning.set(`${id} ${name}`, { ...watcher, hasGap, ...(since && { since }) });
      }
    }
  }

  #watch(watcher: Watcher): void {
    const { name } = watcher.channel;
    const watchers = this.#live.get(name) ?? new Map<string, Watcher>();
    watchers.set(watcher.id, watcher);
    this.#live.set(name, watchers);
  }

  #forget(id: string): void {
    this.#connections.delete(id);
    this.#mailbox.close(id);
    for (const watchers of this.#live.values()) watchers.delete(id);
    for (const [key, beginner] of this.#beginning) if (beginner.id === id) this.#beginning.delete(key);
  }

  async #drop(id: string): Promise<void> {
    this.#forget(id);
    // what is left of it ends with its life
    await unregister(this.#parts.redis, this.#parts.keys, id).catch(() => undefined);
  }

  /** A subscription that cannot go on gets a fresh snapshot that says so. */
  #restart(id: string, name: string): void {
    const watcher = this.#live.get(name)?.get(id);
    if (!watcher) return;
    this.#live.get(name)?.delete(id);
    this.#beginning.set(`${id} ${name}`, { ...watcher, hasGap: true });
  }

  #restartBroken({ epoch, tails }: Feed): void {
    const isNew = epoch !== this.#epoch;
    for (const [name, watchers] of this.#live) {
      const [first] = watchers.values();
      if (!first || (!isNew && !tails[streamOf(first.channel)].isBroken)) continue;
      for (const id of [...watchers.keys()]) this.#restart(id, name);
    }
    if (isNew) this.#states.clear();
    this.#epoch = epoch;
  }

  #move({ tails }: Feed): void {
    this.#isCut = Object.values(tails).some(({ isCut }) => isCut);
    const positions = Object.entries(tails).map(([name, { position }]) => [name, position] as const);
    this.#at = Object.fromEntries(positions) as Record<StreamName, string>;
  }

  async #sendEvents(entries: readonly FeedEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const channels = [...this.#live.values()].flatMap((watchers) => {
      const [first] = watchers.values();
      return first && !isState(first.channel) ? [first.channel] : [];
    });
    const heading = (channel: string, position: string) => this.#heading(channel, position);
    for (const { channel, position, text } of await eventTexts(this.#parts, entries, channels, heading)) {
      for (const id of this.#live.get(channel)?.keys() ?? []) this.#put(id, channel, position, text, false);
    }
  }

  async #sendStates({ tails }: Feed, now: number): Promise<void> {
    for (const kind of ['transfer', 'buffer'] as const) {
      const changes = kind === 'transfer' ? tails.transfer.entries : tails.observations.entries;
      const known = this.#states.get(kind);
      if (known && changes.length > 0) known.isStale = true;
      if (!known || !this.#live.get(stateChannels[kind])?.size) continue;
      const age = now - known.readAt;
      const isDue = known.isStale && age >= statePauseMilliseconds;
      if (isDue || (kind === 'buffer' && age >= bufferPauseMilliseconds)) await this.#refresh(kind, now);
    }
  }

  /** Reads a state anew, and tells it to everyone if it has changed. */
  async #refresh(kind: StateKind, now: number): Promise<State> {
    const before = this.#states.get(kind);
    // its position is older than it is: no client is told of a position whose change it has not got
    const { json, position = this.#at[kind] } = await readState(this.#parts, kind, before?.json, now);
    const state = { json, position, readAt: now, isStale: false };
    this.#states.set(kind, state);
    this.#at = { ...this.#at, [kind]: position };
    const name = stateChannels[kind];
    if (before && json !== before.json) {
      const text = stateMessage('update', this.#heading(name, position), json);
      for (const id of this.#live.get(name)?.keys() ?? []) this.#put(id, name, position, text, true);
    }
    return state;
  }

  /** Subscriptions that begin: from where the client is, or with a snapshot at the position of this broadcaster. */
  async #beginSubscriptions(now: number): Promise<void> {
    if (this.#beginning.size === 0) return;
    const snapshots = new Map<string, readonly string[]>();
    for (const [key, { since, hasGap, ...watcher }] of [...this.#beginning]) {
      const { id, channel } = watcher;
      const { name } = channel;
      try {
        const resumed = since && (await this.#resume(channel, since));
        const isLost = hasGap || (since !== undefined && resumed === undefined);
        const shared = `${name} ${isLost}`;
        const texts =
          resumed ??
          snapshots.get(shared) ??
          (await this.#snapshot(channel, now, isLost ? { gap: true } : {}));
        if (!resumed) snapshots.set(shared, texts);
        this.#beginning.delete(key);
        this.#watch(watcher);
        const position = this.#at[streamOf(channel)];
        for (const text of texts) this.#put(id, name, position, text, false);
        // until it has got that, the next broadcaster begins it again
        this.#notedBehind.set(key, noteOf(watcher, since, hasGap));
      } catch (error) {
        this.#parts.log.warn('a subscription waits for its snapshot', { channel: name, error });
      }
    }
  }

  /** What a client has missed, or undefined if that cannot be told: it needs a snapshot. */
  async #resume(channel: Channel, since: Since): Promise<readonly string[] | undefined> {
    if (since.epoch !== this.#epoch) return undefined;
    const to = this.#at[streamOf(channel)];
    const { name } = channel;
    if (isState(channel)) {
      return since.position === to ? [resumedMessage(this.#heading(name, to))] : undefined;
    }
    const { redis, keys } = this.#parts;
    const entries = await readBetween(redis, keys, 'observations', { from: since.position, to });
    if (!entries) return undefined;
    const heading = (channelName: string, position: string) => this.#heading(channelName, position);
    const missed = await eventTexts(this.#parts, entries, [channel], heading);
    return [resumedMessage(heading(name, since.position)), ...missed.map(({ text }) => text)];
  }

  async #snapshot(channel: Channel, now: number, more: object): Promise<readonly string[]> {
    if (channel.kind === 'units' || channel.kind === 'transaction') {
      return snapshotTexts(this.#parts, channel, this.#heading(channel.name, this.#at.observations), more);
    }
    const known = this.#states.get(channel.kind);
    const state = known && !known.isStale ? known : await this.#refresh(channel.kind, now);
    return [stateMessage('snapshot', this.#heading(channel.name, state.position), state.json, more)];
  }

  /** Whoever has lost the right to watch is told, and the connection ends. */
  async #endRevoked(now: number): Promise<void> {
    if (now - this.#checkedAt < credentialPauseMilliseconds) return;
    this.#checkedAt = now;
    const { redis, keys, post, disconnect } = this.#parts;
    const text = errorMessage('revoked', 'The credential of this connection has ended.');
    for (const id of await withoutRight(redis, keys, [...this.#connections.values()], now)) {
      await post(id, text).catch(() => 'gone');
      await disconnect(id).catch(() => undefined);
      await this.#drop(id);
    }
  }

  #heading(channel: string, position: string): Heading {
    return { channel, epoch: this.#epoch, position, fence: this.#fence };
  }

  #put(id: string, channel: string, position: string, text: string, folds: boolean): void {
    this.#mailbox.put(id, { text, channel, folds, since: { epoch: this.#epoch, position } });
  }

  /** First who is behind, then how far all others are: whoever reads it misses nothing. */
  async #checkpoint(isWhole: boolean): Promise<void> {
    const { redis, keys } = this.#parts;
    await this.#noteBehind();
    const states = Object.fromEntries([...this.#states].map(([kind, { json }]) => [kind, json]));
    const at = { epoch: this.#epoch, positions: this.#at, isWhole, states: isWhole ? states : {} };
    const text = JSON.stringify(at);
    if (text === this.#written) return;
    await writeCheckpoint(redis, keys, this.#fence, at);
    this.#written = text;
  }

  async #noteBehind(): Promise<void> {
    const behind = new Map<string, Note>();
    for (const [id, channels] of this.#mailbox.behind()) {
      for (const [channel, since] of channels) {
        const watcher = this.#live.get(channel)?.get(id);
        if (watcher) behind.set(`${id} ${channel}`, noteOf(watcher, since));
      }
    }
    for (const [key, beginner] of this.#beginning)
      behind.set(key, noteOf(beginner, beginner.since, beginner.hasGap));
    const caughtUp = [...this.#notedBehind].flatMap(([key, note]) =>
      behind.has(key) || !this.#live.get(note.channel)?.has(note.id)
        ? []
        : [{ id: note.id, channel: note.channel, asked: note.asked, live: true }],
    );
    const fresh = [...behind].flatMap(([key, note]) => (this.#notedBehind.has(key) ? [] : [note]));
    this.#notedBehind = behind;
    await noteSubscriptions(this.#parts.redis, this.#parts.keys, [...fresh, ...caughtUp]);
  }
}

type Note = Subscription & { readonly id: string };

function noteOf({ id, channel, asked }: Watcher, since: Since | undefined, hasGap = false): Note {
  const note = { id, channel: channel.name, asked, live: false };
  return { ...note, ...(since && { since }), ...(hasGap && { gap: true as const }) };
}
