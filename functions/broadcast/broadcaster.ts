/** What one holder of the lease does: it follows the feed, and sends each subscription what is new. */
import type { StreamName } from '../../lib/change-feed/streams.ts';
import { isEvent, streamOf, type Channel, type EventChannel } from '../../lib/channels/channels.ts';
import { readCheckpoint, writeCheckpoint } from '../../lib/channels/checkpoint.ts';
import {
  listConnections,
  noteSubscriptions,
  readConnections,
  unregister,
  type Connection,
} from '../../lib/sockets/connections.ts';
import { resumedMessage, stateMessage, type Heading } from '../../lib/channels/protocol.ts';
import {
  nowhere,
  readBetween,
  readEnds,
  readFeed,
  type Feed,
  type FeedEntry,
} from '../../lib/channels/read.ts';
import type { Log } from '../../lib/observability/log.ts';
import type { Replica } from '../../lib/replication/replicas.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { Beginnings, hasReset, type Beginning } from './beginnings.ts';
import { Mailbox, type MailboxSettings } from './mailbox.ts';
import type { Poster } from '../../lib/sockets/post.ts';
import { readUnits } from './read-units.ts';
import { Relaying } from './relaying.ts';
import { Rights } from './rights.ts';
import { States, stateKinds, type StateKind } from './states.ts';
import { Subscriptions, type GoesOn, type Watcher } from './subscriptions.ts';
import { eventTexts } from './texts.ts';
import { deferChanges, republishDeferred } from './deferred.ts';

export interface BroadcasterParts extends SmartQueryParts, Poster {
  /** the same replicas by connections of their own, for reads that may take long */
  readonly replicasForLongReads: readonly Replica[];
  readonly log: Log;
  /** epoch ms */
  readonly now: () => number;
  /** ends the wait between two rounds */
  readonly wake: () => void;
}

const settleMilliseconds = 300;
/** A publication that was lost is made up for by then. */
const readPauseMilliseconds = 1000;
/** A registration that the feed did not mention is found by then. */
const lookPauseMilliseconds = 60_000;
/** A connection that has taken nothing for so long is asked for: its end may not have been reported. */
const silenceMilliseconds = 60_000;
const askedAtOnce = 20;
const unseenPauseMilliseconds = 1000;

const stateChannels = { transfer: 'transfer.overview', buffer: 'buffer' } as const;
const anyId = '00000000-0000-0000-0000-000000000000';

export class Broadcaster {
  readonly #parts: BroadcasterParts;
  readonly #fence: number;
  readonly #newEpoch: string;
  readonly #mailbox: Mailbox;
  /** ends what has lost its right; to be looked at between rounds too */
  readonly rights: Rights;
  readonly #relaying: Relaying;
  readonly #states: States;
  readonly #beginnings: Beginnings;
  readonly #connections = new Map<string, Connection>();
  readonly #subscriptions = new Subscriptions();
  #epoch = '';
  #at: Record<StreamName, string> = {
    observations: nowhere,
    transfer: nowhere,
    buffer: nowhere,
    connections: nowhere,
  };
  /** whether what was live at the last broadcaster may go on here */
  #goesOn: GoesOn | undefined;
  #lookedAt: number | undefined;
  #readAt = 0;
  #written = '';
  #isCut = false;
  /** some changes wait for a replica; the last broadcaster may have left some too */
  #hasDeferred = true;
  #triedAgainAt = 0;

  /** @param newEpoch names the feed if it has no epoch yet */
  constructor(parts: BroadcasterParts, fence: number, newEpoch: string, settings?: MailboxSettings) {
    this.#parts = parts;
    this.#fence = fence;
    this.#newEpoch = newEpoch;
    this.rights = new Rights(parts, this.#connections, (id) => this.#forget(id));
    this.#relaying = new Relaying(parts);
    const slowly = { ...parts, replicas: parts.replicasForLongReads };
    this.#states = new States(slowly);
    this.#beginnings = new Beginnings(slowly);
    this.#mailbox = new Mailbox(
      parts.post,
      {
        gone: (id) => void this.#drop(id),
        overflowed: (id, channel) => this.#subscriptions.restart(id, channel),
      },
      parts.now,
      settings,
    );
  }

  /** More waits than one round has done. */
  get hasMore(): boolean {
    return this.#isCut || this.#relaying.hasMore;
  }

  /** How long nothing need be looked at unless something is published. */
  get pauseMilliseconds(): number {
    return this.#relaying.pauseMilliseconds(this.#isRelayWatched, this.#parts.now());
  }

  /** Subscriptions of open connections. */
  get watchers(): number {
    return this.#subscriptions.count;
  }

  /** Takes up where the last broadcaster has left off. */
  async begin(): Promise<void> {
    const { redis, keys } = this.#parts;
    const left = await readCheckpoint({ redis, keys });
    const { epoch, positions } = await readEnds({ redis, keys }, this.#newEpoch);
    this.#epoch = epoch;
    this.#at = positions;
    if (left?.epoch !== epoch) return;
    // the first round reads all connections: their stream counts from now
    this.#at = { ...left.positions, connections: positions.connections };
    // a broadcaster that crashed may have sent a state that it did not note: it is sent again
    const from = (channel: Channel) => ({ epoch, position: left.positions[streamOf(channel)] });
    this.#goesOn = { events: true, states: left.isWhole, from };
    if (!left.isWhole) return;
    for (const kind of stateKinds) {
      const json = left.states[kind];
      if (json !== undefined) this.#states.carry(kind, { json, position: this.#at[kind] });
    }
  }

  /**
   * Relays a slice, reads and sends what is new. Redis is asked only if something may be: the replica's outbox can be looked at
   * often, and costs little.
   * @param wasWoken something was published
   */
  async round(nowMilliseconds: number, wasWoken: boolean): Promise<void> {
    const { redis, keys } = this.#parts;
    // what the site itself has accepted comes before the next slice
    const hasRelayed = !this.#isCut && (await this.#relaying.step(this.#isRelayWatched, nowMilliseconds));
    if (!wasWoken && !hasRelayed && !this.#isDue(nowMilliseconds)) return;
    this.#readAt = nowMilliseconds;
    const feed = await readFeed({ redis, keys }, this.#at, this.#newEpoch);
    await this.#look(feed, nowMilliseconds);
    // before anything is sent, and whatever becomes of that
    await this.rights.look(nowMilliseconds);
    this.#restartBroken(feed);
    // what throws before the positions move is done again in the next round
    await this.#sendEvents(feed.tails.observations.entries);
    this.#move(feed);
    this.#sendStates(feed, nowMilliseconds);
    await this.#tryUnseenAgain(nowMilliseconds);
    await this.#beginSubscriptions(nowMilliseconds);
    await this.#mailbox.settled(settleMilliseconds);
    await this.#checkpoint(false);
    this.#askForSilent(nowMilliseconds);
  }

  /** Writes the checkpoint from which the next holder continues without a snapshot. */
  async handOver(): Promise<void> {
    await this.#mailbox.settled(2000);
    await this.#checkpoint(true);
  }

  get #isRelayWatched(): boolean {
    return this.#subscriptions.has('units', 'transfer');
  }

  #isDue(now: number): boolean {
    return this.#isCut || now - this.#readAt >= readPauseMilliseconds;
  }

  /** Connections that came, went or changed what they watch. */
  async #look({ tails }: Feed, nowMilliseconds: number): Promise<void> {
    const { redis, keys } = this.#parts;
    const { entries, isBroken } = tails.connections;
    const changed = new Set(entries.flatMap(({ record }) => record ?? []));
    const isFirst = this.#lookedAt === undefined;
    const looksAtAll = isFirst || isBroken || nowMilliseconds - (this.#lookedAt ?? 0) > lookPauseMilliseconds;
    if (looksAtAll) {
      for (const id of await listConnections({ redis, keys }, nowMilliseconds)) changed.add(id);
      for (const id of this.#connections.keys()) changed.add(id);
    }
    if (changed.size > 0) {
      const found = await readConnections({ redis, keys }, [...changed]);
      for (const connection of found) this.#open(connection, isFirst);
      const present = new Set(found.map(({ id }) => id));
      for (const id of changed) if (!present.has(id)) this.#forget(id);
    }
    if (looksAtAll) this.#lookedAt = nowMilliseconds;
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
    await unregister(this.#parts, id).catch(() => undefined);
  }

  /** The gateway reports the end of a connection at best: one that has long taken nothing is asked for. */
  #askForSilent(now: number): void {
    const silent = this.#mailbox.silentSince(now - silenceMilliseconds).slice(0, askedAtOnce);
    for (const id of silent) {
      this.#mailbox.reached(id);
      const connection = this.#connections.get(id);
      if (!connection || now - connection.connectedAt < silenceMilliseconds) continue;
      void this.#parts
        .isOpen(id)
        .then((isOpen) => (isOpen ? undefined : this.#drop(id)))
        .catch(() => undefined);
    }
  }

  #restartBroken({ epoch, tails }: Feed): void {
    const isNew = epoch !== this.#epoch;
    const { entries } = tails.observations;
    const anew = this.#subscriptions.restartWhere(
      (channel) => isNew || tails[streamOf(channel)].isBroken || hasReset(entries, channel),
    );
    for (const { id, name } of anew) this.#mailbox.forget(id, name);
    if (isNew) {
      this.#states.clear();
      this.#beginnings.clear();
    }
    this.#epoch = epoch;
  }

  #move({ tails }: Feed): void {
    this.#isCut = Object.values(tails).some(({ isCut }) => isCut);
    const positions = Object.entries(tails).map(([name, { position }]) => [name, position] as const);
    this.#at = Object.fromEntries(positions) as Record<StreamName, string>;
  }

  async #sendEvents(entries: readonly FeedEntry[]): Promise<void> {
    const channels = entries.length === 0 ? [] : this.#subscriptions.eventChannels();
    for (const { channel, position, text } of await this.#eventTexts(entries, channels)) {
      for (const watcher of this.#subscriptions.on(channel)) this.#put(watcher, position, text, false);
    }
  }

  async #eventTexts(entries: readonly FeedEntry[], channels: readonly Channel[]) {
    if (entries.length === 0 || channels.length === 0) return [];
    const heading = (channel: string, position: string) => this.#heading(channel, position);
    const { texts, deferred } = await eventTexts(this.#parts, entries, channels, heading);
    await deferChanges(this.#parts, deferred);
    this.#hasDeferred ||= deferred.length > 0;
    return texts;
  }

  #sendStates({ tails }: Feed, now: number): void {
    for (const kind of stateKinds) {
      const changes = kind === 'transfer' ? tails.transfer.entries : tails.observations.entries;
      const isWatched = this.#subscriptions.has(kind);
      // nobody looks at what nobody watches: it may be old when it is wanted next
      if (changes.length > 0 || !isWatched) this.#states.touch(kind);
      if (isWatched) this.#states.refresh(kind, this.#at[kind], now);
    }
    for (const kind of this.#states.changed()) this.#sendState(kind);
  }

  #sendState(kind: StateKind): void {
    const state = this.#states.get(kind);
    const name = stateChannels[kind];
    if (!state) return;
    const text = stateMessage('update', this.#heading(name, state.position), state.json);
    for (const watcher of this.#subscriptions.on(name)) this.#put(watcher, state.position, text, true);
  }

  /** Once a replica answers, changes that could not be shown are published again, and snapshots are made again. */
  async #tryUnseenAgain(now: number): Promise<void> {
    if (!this.#hasDeferred && !this.#subscriptions.hasUnseen) return;
    if (now - this.#triedAgainAt < unseenPauseMilliseconds) return;
    this.#triedAgainAt = now;
    const { unknown } = await readUnits(this.#parts, [anyId]);
    if (unknown.size > 0) return;
    for (const { id, name } of this.#subscriptions.restartUnseen()) this.#mailbox.forget(id, name);
    if (this.#hasDeferred) this.#hasDeferred = await republishDeferred(this.#parts);
  }

  /** Subscriptions that begin: from where the client is, or with a snapshot at the position of this broadcaster. */
  async #beginSubscriptions(nowMilliseconds: number): Promise<void> {
    const place = {
      epoch: this.#epoch,
      position: this.#at.observations,
      nowMilliseconds,
      heading: (channel: string, position: string) => this.#heading(channel, position),
    };
    const missed = new Map<Beginning, readonly string[] | undefined>();
    for (const beginner of this.#subscriptions.beginning) {
      const { channel } = beginner;
      if (!isEvent(channel)) {
        this.#beginState(beginner, channel.kind);
        continue;
      }
      const beginning = this.#beginnings.get({ ...beginner, channel }, place);
      if (!beginning) continue;
      if (!missed.has(beginning))
        missed.set(beginning, await this.#missedSince(beginning, channel, nowMilliseconds));
      const rest = missed.get(beginning);
      if (!rest) continue;
      this.#subscriptions.begun(beginner, beginning.isUnseen);
      const texts = [...beginning.texts, ...rest];
      // with the last one it has all
      texts.forEach((text, index) =>
        this.#put(beginner, index === texts.length - 1 ? place.position : undefined, text, false),
      );
    }
    this.#beginnings.forgetResults();
  }

  /** What has come since a beginning was read; undefined if it is not there any more. */
  async #missedSince(
    { position: from }: Beginning,
    channel: EventChannel,
    nowMilliseconds: number,
  ): Promise<readonly string[] | undefined> {
    const { redis, keys } = this.#parts;
    const to = this.#at.observations;
    if (from === to) return [];
    const entries = await readBetween({ redis, keys }, streamOf(channel), { from, to, nowMilliseconds });
    if (!entries || hasReset(entries, channel)) return undefined;
    return (await this.#eventTexts(entries, [channel])).map(({ text }) => text);
  }

  #beginState(beginner: Watcher, kind: StateKind): void {
    const state = this.#states.fresh(kind);
    if (!state) return;
    const { since, hasGap } = beginner;
    const heading = this.#heading(stateChannels[kind], state.position);
    const isCurrent = since?.epoch === this.#epoch && since.position === state.position && !hasGap;
    const gap = hasGap || since !== undefined ? { gap: true } : {};
    const text = isCurrent ? resumedMessage(heading) : stateMessage('snapshot', heading, state.json, gap);
    this.#subscriptions.begun(beginner);
    this.#put(beginner, state.position, text, false);
  }

  #heading(channel: string, position: string): Heading {
    return { channel, epoch: this.#epoch, position, fence: this.#fence };
  }

  /** @param position that the client has reached with it; undefined: more is to come before it has */
  #put({ id, channel, request }: Watcher, position: string | undefined, text: string, folds: boolean): void {
    this.#mailbox.put(id, {
      text,
      channel: channel.name,
      folds,
      ...(position !== undefined && { since: { epoch: this.#epoch, position } }),
      ...(request !== undefined && { request }),
    });
  }

  /** First the subscriptions that are behind, then the positions of all others: the reader of both misses nothing. */
  async #checkpoint(isWhole: boolean): Promise<void> {
    const { redis, keys } = this.#parts;
    await noteSubscriptions({ redis, keys }, this.#subscriptions.notes(this.#mailbox.behind()));
    const at = {
      epoch: this.#epoch,
      positions: isWhole ? this.#statePositions() : this.#at,
      isWhole,
      states: isWhole ? this.#sharedStates() : {},
    };
    const text = JSON.stringify(at);
    if (text === this.#written) return;
    await writeCheckpoint({ redis, keys }, this.#fence, at);
    this.#written = text;
  }

  #sharedStates(): Partial<Record<StateKind, string>> {
    const { transfer, buffer } = {
      transfer: this.#states.get('transfer'),
      buffer: this.#states.get('buffer'),
    };
    return { ...(transfer && { transfer: transfer.json }), ...(buffer && { buffer: buffer.json }) };
  }

  /** States keep the position at which they were sent: the next broadcaster reads them again in any case. */
  #statePositions(): Record<StreamName, string> {
    const { transfer, buffer } = this.#at;
    return {
      ...this.#at,
      transfer: this.#states.get('transfer')?.position ?? transfer,
      buffer: this.#states.get('buffer')?.position ?? buffer,
    };
  }
}
