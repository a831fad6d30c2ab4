/** The holder of the lease: follows the feed in rounds and sends new changes to the subscriptions. */
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
import { InitialReads } from './initial-reads.ts';
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
  /** the same replicas through separate connections, for long reads */
  readonly replicasForLongReads: readonly Replica[];
  readonly log: Log;
  /** epoch ms */
  readonly now: () => number;
  /** ends the wait between two rounds */
  readonly wake: () => void;
}

const settleMilliseconds = 300;
const lastSettleMilliseconds = 2000;
/** Reads Redis at least this often, in case a publication was lost. */
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
  /** closes connections that have lost their rights; also checked between rounds */
  readonly rights: Rights;
  readonly #relaying: Relaying;
  readonly #states: States;
  readonly #initialReads: InitialReads;
  readonly #unseen: Unseen;
  readonly #starter: Starter;
  readonly #handover: Handover;
  #at = Object.fromEntries(streamNames.map((name) => [name, nowhere])) as Positions;
  #readAt = 0;
  #isTruncated = false;

  /** @param newEpoch epoch of the feed if it has none yet */
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
    const longReadParts = { ...parts, replicas: parts.replicasForLongReads };
    const states = new States(longReadParts);
    const initialReads = new InitialReads(longReadParts);
    const unseen = new Unseen(parts, subscriptions, delivery.heading);
    this.#mailbox = mailbox;
    this.#delivery = delivery;
    this.#roster = new Roster(parts, mailbox, subscriptions);
    this.rights = new Rights(parts, this.#roster.connections, (id) => this.#roster.forget(id));
    this.#relaying = new Relaying(parts);
    this.#states = states;
    this.#initialReads = initialReads;
    this.#unseen = unseen;
    this.#starter = new Starter({ site: parts, subscriptions, initialReads, states, unseen, delivery });
    this.#handover = new Handover({ site: parts, fence, subscriptions, mailbox, states });
  }

  /** The round has not processed everything. */
  get hasMore(): boolean {
    return this.#isTruncated || this.#relaying.hasMore;
  }

  /** Pause before the next round, unless something is published. */
  get pauseMilliseconds(): number {
    return this.#relaying.pauseMilliseconds(this.#isRelayWatched, this.#parts.now());
  }

  /** Subscriptions of open connections. */
  get watchers(): number {
    return this.#subscriptions.count;
  }

  /** Continues where the last broadcaster stopped. */
  async begin(): Promise<void> {
    const left = await readCheckpoint(this.#parts);
    const { epoch, positions: ends } = await readEnds(this.#parts, this.#newEpoch);
    this.#delivery.epoch = epoch;
    this.#at = ends;
    if (left?.epoch !== epoch) return;
    const before = { ...ends, ...left.positions };
    // the first round reads all connections, so older entries of their stream are not needed
    this.#at = { ...before, connections: ends.connections };
    // a broadcaster that crashed may have sent a state that its checkpoint lacks: send it again
    const from = (channel: Channel) => ({ epoch, position: before[streamOf(channel)] });
    this.#roster.continuation = { events: true, states: left.isWhole, from };
    if (!left.isWhole) return;
    for (const kind of stateKinds) {
      const json = left.states[kind];
      if (json !== undefined) this.#states.restore(kind, { json, position: this.#at[streamOf({ kind })] });
    }
  }

  /**
   * Relays a slice of the outbox, then reads the feed and sends new changes. Reading the replica's outbox is cheap and happens
   * often; Redis is read only if there may be something new.
   * @param wasWoken something has been published
   */
  async round(nowMilliseconds: number, wasWoken: boolean): Promise<void> {
    // send the site's own changes before relaying another slice
    const hasRelayed =
      !this.#isTruncated && (await this.#relaying.step(this.#isRelayWatched, nowMilliseconds));
    if (!wasWoken && !hasRelayed && !this.#isDue(nowMilliseconds)) return;
    this.#readAt = nowMilliseconds;
    const feed = await readFeed(this.#parts, this.#at, this.#newEpoch);
    await this.#roster.update(feed.tails.connections, nowMilliseconds);
    // check rights before sending anything
    await this.rights.check(nowMilliseconds);
    this.#restartBroken(feed);
    // if anything throws before the positions advance, the next round repeats it
    await this.#sendEvents(feed.tails.observations.entries);
    this.#move(feed);
    this.#sendStates(feed, nowMilliseconds);
    for (const { id, name } of await this.#unseen.retry(nowMilliseconds)) this.#mailbox.forget(id, name);
    await this.#starter.start(this.#at.observations, nowMilliseconds);
    await this.#mailbox.settled(settleMilliseconds);
    await this.#handover.write(this.#delivery.epoch, this.#at, false);
    this.#roster.checkSilent(nowMilliseconds);
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
    return this.#isTruncated || now - this.#readAt >= readPauseMilliseconds;
  }

  /** Restarts subscriptions that cannot continue from their position. */
  #restartBroken({ epoch, tails }: Feed): void {
    const isNew = epoch !== this.#delivery.epoch;
    const restarted = this.#subscriptions.restartWhere((channel) => {
      const { isBroken, entries } = tails[streamOf(channel)];
      return isNew || isBroken || (!isState(channel) && readerOf(channel).concernsAll(entries));
    });
    for (const { id, name } of restarted) this.#mailbox.forget(id, name);
    if (isNew) {
      this.#states.clear();
      this.#initialReads.clear();
    }
    this.#delivery.epoch = epoch;
  }

  #move({ tails }: Feed): void {
    this.#isTruncated = Object.values(tails).some(({ isTruncated }) => isTruncated);
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
      // a state without subscribers is not read, so it may be out of date for the next subscriber
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
