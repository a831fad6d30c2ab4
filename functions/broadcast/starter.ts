/** Subscriptions that begin: from where the client is, or with a snapshot at the position of this broadcaster. */
import { isEvent, nameOf, streamOf, type EventChannel, type StateKind } from '../../lib/channels/channels.ts';
import { resumedMessage, stateMessage } from '../../lib/channels/protocol.ts';
import { readBetween } from '../../lib/channels/read.ts';
import type { Site } from '../../lib/redis/site.ts';
import type { Beginning, Beginnings, Place } from './beginnings.ts';
import type { Delivery } from './delivery.ts';
import type { States } from './states.ts';
import type { Subscriptions, Watcher } from './subscriptions.ts';
import { readerOf } from './texts.ts';
import type { Unseen } from './unseen.ts';

export interface StarterParts {
  readonly site: Site;
  readonly subscriptions: Subscriptions;
  readonly beginnings: Beginnings;
  readonly states: States;
  readonly unseen: Unseen;
  readonly delivery: Delivery;
}

export class Starter {
  readonly #parts: StarterParts;

  constructor(parts: StarterParts) {
    this.#parts = parts;
  }

  /** Those of which what they begin with has been read. @param position of event channels */
  async start(position: string, nowMilliseconds: number): Promise<void> {
    const { subscriptions, beginnings, delivery } = this.#parts;
    const place: Place = { epoch: delivery.epoch, position, nowMilliseconds, heading: delivery.heading };
    const missed = new Map<Beginning, readonly string[] | undefined>();
    for (const beginner of subscriptions.beginning) {
      const { channel } = beginner;
      if (!isEvent(channel)) {
        this.#startState(beginner, channel.kind);
        continue;
      }
      const beginning = beginnings.get({ ...beginner, channel }, place);
      if (!beginning) continue;
      if (!missed.has(beginning)) missed.set(beginning, await this.#missedSince(beginning, channel, place));
      const rest = missed.get(beginning);
      if (!rest) continue;
      subscriptions.begun(beginner, beginning.isUnseen);
      const texts = [...beginning.texts, ...rest];
      // with the last one it has all
      texts.forEach((text, index) =>
        delivery.put(beginner, index === texts.length - 1 ? position : undefined, text),
      );
    }
    beginnings.forgetResults();
  }

  /** What has come since a beginning was read; undefined if it is not there any more. */
  async #missedSince(
    { position: from }: Beginning,
    channel: EventChannel,
    { position: to, nowMilliseconds }: Place,
  ): Promise<readonly string[] | undefined> {
    if (from === to) return [];
    const range = { from, to, nowMilliseconds };
    const entries = await readBetween(this.#parts.site, streamOf(channel), range);
    if (!entries || readerOf(channel).concernsAll(entries)) return undefined;
    return (await this.#parts.unseen.texts(entries, [channel])).map(({ text }) => text);
  }

  #startState(beginner: Watcher, kind: StateKind): void {
    const { subscriptions, states, delivery } = this.#parts;
    const state = states.fresh(kind);
    if (!state) return;
    const { since, hasGap } = beginner;
    const heading = delivery.heading(nameOf(kind), state.position);
    const isCurrent = since?.epoch === delivery.epoch && since.position === state.position && !hasGap;
    const gap = hasGap || since !== undefined ? { gap: true } : {};
    const text = isCurrent ? resumedMessage(heading) : stateMessage('snapshot', heading, state.json, gap);
    subscriptions.begun(beginner);
    delivery.put(beginner, state.position, text);
  }
}
