/** What one holder of the lease does: it follows the feed, and tells each subscription what is new. */
import type { StreamName } from '../../lib/change-feed/append.ts';
import { isState, streamOf, type Channel } from '../../lib/change-feed/channels.ts';
import { readCheckpoint, writeCheckpoint } from '../../lib/change-feed/checkpoint.ts';
import {
  listConnections,
  noteSubscriptions,
  readConnections,
  unregister,
  type Connection,
  type Since,
} from '../../lib/change-feed/connections.ts';
import { resumedMessage, stateMessage, type Heading } from '../../lib/change-feed/protocol.ts';
import {
  nowhere,
  readBetween,
  readEnds,
  readFeed,
  type Feed,
  type FeedEntry,
} from '../../lib/change-feed/read.ts';
import { outboxEnd, relayOutbox } from '../../lib/change-feed/relay.ts';
import type { Log } from '../../lib/observability/log.ts';
import { noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { Mailbox, type MailboxSettings } from './mailbox.ts';
import type { Disconnect, Post } from './post.ts';
import { Rights } from './rights.ts';
import { Subscriptions, type GoesOn } from './subscriptions.ts';
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
const settleMilliseconds = 300;
const beginningsMilliseconds = 1000;
/** A publication that was lost is made up for by then. */
const readPauseMilliseconds = 1000;
/** A registration that the feed did not tell of is found by then. */
const lookPauseMilliseconds = 60_000;

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
  /** ends what has lost its right; to be looked at between rounds too */
  readonly rights: Rights;
  readonly #connections = new Map<string, Connection>();
  readonly #subscriptions = new Subscriptions();
  readonly #states = new Map<StateKind, State>();
  #epoch = '';
  #at: Record<StreamName, string> = {
    observations: nowhere,
    transfer: nowhere,
    buffer: nowhere,
    connections: nowhere,
  };
  /** whether what was live at the last broadcaster may go on here */
  #goesOn: GoesOn = { states: false, events: false };
  #lookedAt: number | undefined;
  #readAt = 0;
  /** what the relay has seen; undefined: no replica answers, or none was asked yet */
  #outboxEnd: string | undefined;
  #written = '';
  #isCut = false;

  /** @param newEpoch names the feed if it has no epoch yet */
  constructor(parts: BroadcasterParts, fence: number, newEpoch: string, settings?: MailboxSettings) {
    this.#parts = parts;
    this.#fence = fence;
    this.#newEpoch = newEpoch;
    this.rights = new Rights(parts, this.#connections, (id) => this.#forget(id));
    this.#mailbox = new Mailbox(
      parts.post,
      {
        gone: (id) => void this.#drop(id),
        overflowed: (id, channel) => this.#subscriptions.restart(id, channel),
      },
      settings,
    );
  }

  /** More waits than one round has done. */
  get hasMore(): boolean {
    return this.#isCut || this.#subscriptions.beginning.length > 0;
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
    // before anything is sent, and whatever becomes of that
    await this.rights.look(nowMilliseconds);
    this.#restartBroken(feed);
    // what throws before the positions move is done again in the next round
    await this.#sendEvents(feed.tails.observations.entries);
    this.#move(feed);
    await this.#sendStates(feed, nowMilliseconds);
    await this.#beginSubscriptions(nowMilliseconds);
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
    const { id, connectedAt } = connection;
    this.#connections.set(id, connection);
    this.#mailbox.open(id, connectedAt);
    const left = this.#subscriptions.open(connection, isFirst ? this.#goesOn : undefined);
    for (const channel of left) this.#mailbox.forget(id, channel);
  }

  #forget(id: string): void {
    this.#connections.delete(id);
    this.#mailbox.close(id);
    this.#subscriptions.forget(id);
  }

  async #drop(id: string): Promise<void> {
    this.#forget(id);
    // what is left of it ends with its life
    await unregister(this.#parts.redis, this.#parts.keys, id).catch(() => undefined);
  }

  #restartBroken({ epoch, tails }: Feed): void {
    const isNew = epoch !== this.#epoch;
    this.#subscriptions.restartWhere((channel) => isNew || tails[streamOf(channel)].isBroken);
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
    const channels = this.#subscriptions.eventChannels();
    const heading = (channel: string, position: string) => this.#heading(channel, position);
    for (const { channel, position, text } of await eventTexts(this.#parts, entries, channels, heading)) {
      for (const id of this.#subscriptions.on(channel)) this.#put(id, channel, position, text, false);
    }
  }

  async #sendStates({ tails }: Feed, now: number): Promise<void> {
    for (const kind of ['transfer', 'buffer'] as const) {
      const changes = kind === 'transfer' ? tails.transfer.entries : tails.observations.entries;
      const known = this.#states.get(kind);
      if (known && changes.length > 0) known.isStale = true;
      if (!known || this.#subscriptions.on(stateChannels[kind]).length === 0) continue;
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
      for (const id of this.#subscriptions.on(name)) this.#put(id, name, position, text, true);
    }
    return state;
  }

  /** Subscriptions that begin: from where the client is, or with a snapshot at the position of this broadcaster. */
  async #beginSubscriptions(now: number): Promise<void> {
    const snapshots = new Map<string, readonly string[]>();
    const begun = performance.now();
    for (const beginner of this.#subscriptions.beginning) {
      // the others begin in the next round: who asks for much must not hold up what all are to be told
      if (performance.now() - begun > beginningsMilliseconds) break;
      const { id, channel, since, hasGap } = beginner;
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
        this.#subscriptions.begun(beginner);
        const position = this.#at[streamOf(channel)];
        for (const text of texts) this.#put(id, name, position, text, false);
      } catch (error) {
        this.#parts.log.warn('a subscription waits for its snapshot', { channel: name, error });
        this.#subscriptions.postpone(beginner);
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

  #heading(channel: string, position: string): Heading {
    return { channel, epoch: this.#epoch, position, fence: this.#fence };
  }

  #put(id: string, channel: string, position: string, text: string, folds: boolean): void {
    this.#mailbox.put(id, { text, channel, folds, since: { epoch: this.#epoch, position } });
  }

  /** First who is behind, then how far all others are: whoever reads it misses nothing. */
  async #checkpoint(isWhole: boolean): Promise<void> {
    const { redis, keys } = this.#parts;
    await noteSubscriptions(redis, keys, this.#subscriptions.notes(this.#mailbox.behind()));
    const states = Object.fromEntries([...this.#states].map(([kind, { json }]) => [kind, json]));
    const at = { epoch: this.#epoch, positions: this.#at, isWhole, states: isWhole ? states : {} };
    const text = JSON.stringify(at);
    if (text === this.#written) return;
    await writeCheckpoint(redis, keys, this.#fence, at);
    this.#written = text;
  }
}
