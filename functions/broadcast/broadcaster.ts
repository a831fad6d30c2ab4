/** What one holder of the lease does, round after round: it follows the feed, and sends each subscription what is new. */
import {
  channelKinds,
  channels,
  isState,
  nameOf,
  stateKinds,
  streamNames,
  streamOf,
  type Channel,
  type StateKind,
  type StreamName,
} from '../../lib/channels/channels.ts';
import { readCheckpoint } from '../../lib/channels/checkpoint.ts';
import { stateMessage } from '../../lib/channels/protocol.ts';
import { nowhere, readEnds, readFeed, type Feed, type FeedEntry } from '../../lib/channels/read.ts';
import type { Log } from '../../lib/observability/log.ts';
import type { Replica } from '../../lib/replication/replicas.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import type { Poster } from '../../lib/sockets/post.ts';
import { Beginnings } from './beginnings.ts';
import { stateReaders } from './channels/readers.ts';
import { Delivery } from './delivery.ts';
import { Handover } from './handover.ts';
import { Mailbox, type MailboxSettings } from './mailbox.ts';
import { Relaying } from './relaying.ts';
import { Rights } from './rights.ts';
import { Roster } from './roster.ts';
import { Starter } from './starter.ts';
import { States } from './states.ts';
import { Subscriptions } from './subscriptions.ts';
import { readerOf } from './texts.ts';
import { Unseen } from './unseen.ts';

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
const lastSettleMilliseconds = 2000;
/** A publication that was lost is made up for by then. */
const readPauseMilliseconds = 1000;

const followsMain = channelKinds.filter((kind) => channels[kind].followsMain);

type Positions = Record<StreamName, string>;

export class Broadcaster {
  readonly #parts: BroadcasterParts;
  readonly #newEpoch: string;
  readonly #subscriptions = new Subscriptions();
  readonly #mailbox: Mailbox;
  readonly #delivery: Delivery;
  readonly #roster: Roster;
  /** ends what has lost its right; to be looked at between rounds too */
  readonly rights: Rights;
  readonly #relaying: Relaying;
  readonly #states: States;
  readonly #beginnings: Beginnings;
  readonly #unseen: Unseen;
  readonly #starter: Starter;
  readonly #handover: Handover;
  #at = Object.fromEntries(streamNames.map((name) => [name, nowhere])) as Positions;
  #readAt = 0;
  #isCut = false;

  /** @param newEpoch names the feed if it has no epoch yet */
  constructor(parts: BroadcasterParts, fence: number, newEpoch: string, settings?: MailboxSettings) {
    this.#parts = parts;
    this.#newEpoch = newEpoch;
    const subscriptions = this.#subscriptions;
    const events = {
      gone: (id: string) => void this.#roster.drop(id),
      overflowed: (id: string, channel: string) => subscriptions.restart(id, channel),
    };
    const mailbox = new Mailbox(parts.post, events, parts.now, settings);
    const delivery = new Delivery(mailbox, fence);
    const slowly = { ...parts, replicas: parts.replicasForLongReads };
    const states = new States(slowly);
    const beginnings = new Beginnings(slowly);
    const unseen = new Unseen(parts, subscriptions, delivery.heading);
    this.#mailbox = mailbox;
    this.#delivery = delivery;
    this.#roster = new Roster(parts, mailbox, subscriptions);
    this.rights = new Rights(parts, this.#roster.connections, (id) => this.#roster.forget(id));
    this.#relaying = new Relaying(parts);
    this.#states = states;
    this.#beginnings = beginnings;
    this.#unseen = unseen;
    this.#starter = new Starter({ site: parts, subscriptions, beginnings, states, unseen, delivery });
    this.#handover = new Handover({ site: parts, fence, subscriptions, mailbox, states });
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
    const left = await readCheckpoint(this.#parts);
    const { epoch, positions: ends } = await readEnds(this.#parts, this.#newEpoch);
    this.#delivery.epoch = epoch;
    this.#at = ends;
    if (left?.epoch !== epoch) return;
    const before = { ...ends, ...left.positions };
    // the first round reads all connections: their stream counts from now
    this.#at = { ...before, connections: ends.connections };
    // a broadcaster that crashed may have sent a state that it did not note: it is sent again
    const from = (channel: Channel) => ({ epoch, position: before[streamOf(channel)] });
    this.#roster.goesOn = { events: true, states: left.isWhole, from };
    if (!left.isWhole) return;
    for (const kind of stateKinds) {
      const json = left.states[kind];
      if (json !== undefined) this.#states.carry(kind, { json, position: this.#at[streamOf({ kind })] });
    }
  }

  /**
   * Relays a slice, reads and sends what is new. Redis is asked only if something may be: the replica's outbox can be looked at
   * often, and costs little.
   * @param wasWoken something was published
   */
  async round(nowMilliseconds: number, wasWoken: boolean): Promise<void> {
    // what the site itself has accepted comes before the next slice
    const hasRelayed = !this.#isCut && (await this.#relaying.step(this.#isRelayWatched, nowMilliseconds));
    if (!wasWoken && !hasRelayed && !this.#isDue(nowMilliseconds)) return;
    this.#readAt = nowMilliseconds;
    const feed = await readFeed(this.#parts, this.#at, this.#newEpoch);
    await this.#roster.look(feed.tails.connections, nowMilliseconds);
    // before anything is sent, and whatever becomes of that
    await this.rights.look(nowMilliseconds);
    this.#restartBroken(feed);
    // what throws before the positions move is done again in the next round
    await this.#sendEvents(feed.tails.observations.entries);
    this.#move(feed);
    this.#sendStates(feed, nowMilliseconds);
    for (const { id, name } of await this.#unseen.tryAgain(nowMilliseconds)) this.#mailbox.forget(id, name);
    await this.#starter.start(this.#at.observations, nowMilliseconds);
    await this.#mailbox.settled(settleMilliseconds);
    await this.#handover.write(this.#delivery.epoch, this.#at, false);
    this.#roster.askForSilent(nowMilliseconds);
  }

  /** Writes the checkpoint from which the next holder continues without a snapshot. */
  async handOver(): Promise<void> {
    await this.#mailbox.settled(lastSettleMilliseconds);
    await this.#handover.write(this.#delivery.epoch, this.#at, true);
  }

  get #isRelayWatched(): boolean {
    return this.#subscriptions.has(...followsMain);
  }

  #isDue(now: number): boolean {
    return this.#isCut || now - this.#readAt >= readPauseMilliseconds;
  }

  /** Subscriptions that cannot go on where they are. */
  #restartBroken({ epoch, tails }: Feed): void {
    const isNew = epoch !== this.#delivery.epoch;
    const anew = this.#subscriptions.restartWhere((channel) => {
      const { isBroken, entries } = tails[streamOf(channel)];
      return isNew || isBroken || (!isState(channel) && readerOf(channel).concernsAll(entries));
    });
    for (const { id, name } of anew) this.#mailbox.forget(id, name);
    if (isNew) {
      this.#states.clear();
      this.#beginnings.clear();
    }
    this.#delivery.epoch = epoch;
  }

  #move({ tails }: Feed): void {
    this.#isCut = Object.values(tails).some(({ isCut }) => isCut);
    this.#at = Object.fromEntries(streamNames.map((name) => [name, tails[name].position])) as Positions;
  }

  async #sendEvents(entries: readonly FeedEntry[]): Promise<void> {
    const texts = await this.#unseen.texts(entries, this.#subscriptions.eventChannels());
    for (const { channel, position, text } of texts) {
      for (const watcher of this.#subscriptions.on(channel)) this.#delivery.put(watcher, position, text);
    }
  }

  #sendStates({ tails }: Feed, now: number): void {
    for (const kind of stateKinds) {
      const isWatched = this.#subscriptions.has(kind);
      // nobody looks at what nobody watches: it may be old when it is wanted next
      if (!isWatched || stateReaders[kind].concerns(tails)) this.#states.touch(kind);
      if (isWatched) this.#states.refresh(kind, this.#at[streamOf({ kind })], now);
    }
    for (const kind of this.#states.changed()) this.#sendState(kind);
  }

  #sendState(kind: StateKind): void {
    const state = this.#states.get(kind);
    const name = nameOf(kind);
    if (!state) return;
    const text = stateMessage('update', this.#delivery.heading(name, state.position), state.json);
    for (const watcher of this.#subscriptions.on(name))
      this.#delivery.put(watcher, state.position, text, true);
  }
}
