/** Starts subscriptions: from the client's position, or with a snapshot at the position of this broadcaster. */
import { isEvent, nameOf, streamOf, type EventChannel, type StateKind } from '../../lib/channels/channels.ts';
import { resumedMessage, stateMessage } from '../../lib/channels/protocol.ts';
import { readBetween } from '../../lib/channels/read.ts';
import type { Site } from '../../lib/redis/site.ts';
import type { InitialMessages, InitialReads, Round } from './initial-reads.ts';
import type { Delivery } from './delivery.ts';
import type { States } from './states.ts';
import type { Subscriptions, Watcher } from './subscriptions.ts';
import { readerOf } from './texts.ts';
import type { Unseen } from './unseen.ts';

export interface StarterParts {
  readonly site: Site;
  readonly subscriptions: Subscriptions;
  readonly initialReads: InitialReads;
  readonly states: States;
  readonly unseen: Unseen;
  readonly delivery: Delivery;
}

export class Starter {
  readonly #parts: StarterParts;

  constructor(parts: StarterParts) {
    this.#parts = parts;
  }

  /** Starts the subscriptions whose first messages have been read. @param position of event channels */
  async start(position: string, nowMilliseconds: number): Promise<void> {
    const { subscriptions, initialReads, delivery } = this.#parts;
    const round: Round = { epoch: delivery.epoch, position, nowMilliseconds, heading: delivery.heading };
    const missed = new Map<InitialMessages, readonly string[] | undefined>();
    for (const pending of subscriptions.starting) {
      const { channel } = pending;
      if (!isEvent(channel)) {
        this.#startState(pending, channel.kind);
        continue;
      }
      const initial = initialReads.get({ ...pending, channel }, round);
      if (!initial) continue;
      if (!missed.has(initial)) missed.set(initial, await this.#missedSince(initial, channel, round));
      const rest = missed.get(initial);
      if (!rest) continue;
      subscriptions.started(pending, initial.isUnseen);
      const texts = [...initial.texts, ...rest];
      // the client reaches the position with the last message
      texts.forEach((text, index) =>
        delivery.put(pending, index === texts.length - 1 ? position : undefined, text),
      );
    }
    initialReads.forgetResults();
  }

  /** The changes since the first messages were read; undefined if the feed no longer has them. */
  async #missedSince(
    { position: from }: InitialMessages,
    channel: EventChannel,
    { position: to, nowMilliseconds }: Round,
  ): Promise<readonly string[] | undefined> {
    if (from === to) return [];
    const range = { from, to, nowMilliseconds };
    const entries = await readBetween(this.#parts.site, streamOf(channel), range);
    if (!entries || readerOf(channel).concernsAll(entries)) return undefined;
    return (await this.#parts.unseen.texts(entries, [channel])).map(({ text }) => text);
  }

  #startState(pending: Watcher, kind: StateKind): void {
    const { subscriptions, states, delivery } = this.#parts;
    const state = states.fresh(kind);
    if (!state) return;
    const { since, hasGap } = pending;
    const heading = delivery.heading(nameOf(kind), state.position);
    const isCurrent = since?.epoch === delivery.epoch && since.position === state.position && !hasGap;
    const gap = hasGap || since !== undefined ? { gap: true } : {};
    const text = isCurrent ? resumedMessage(heading) : stateMessage('snapshot', heading, state.json, gap);
    subscriptions.started(pending);
    delivery.put(pending, state.position, text);
  }
}
