/** Handles changes and snapshots that are incomplete because no replica answers. Both are sent again once a replica does. */
import type { EventChannel } from '../../lib/channels/channels.ts';
import type { Heading } from '../../lib/channels/protocol.ts';
import type { FeedEntry } from '../../lib/channels/read.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { readUnits } from './channels/read-units.ts';
import { deferChanges, republishDeferred } from './deferred.ts';
import type { Subscriptions } from './subscriptions.ts';
import { eventTexts, type EventText } from './texts.ts';

const pauseMilliseconds = 1000;
const anyId = '00000000-0000-0000-0000-000000000000';

export class Unseen {
  readonly #parts: SmartQueryParts;
  readonly #subscriptions: Subscriptions;
  readonly #heading: (channel: string, position: string) => Heading;
  /** changes are waiting for a replica; initially true because the last broadcaster may have deferred some */
  #hasDeferred = true;
  #triedAt = 0;

  constructor(
    parts: SmartQueryParts,
    subscriptions: Subscriptions,
    heading: (channel: string, position: string) => Heading,
  ) {
    this.#parts = parts;
    this.#subscriptions = subscriptions;
    this.#heading = heading;
  }

  /** The messages of these entries. Changes that cannot be read yet are deferred. */
  async texts(
    entries: readonly FeedEntry[],
    channels: readonly EventChannel[],
  ): Promise<readonly EventText[]> {
    if (entries.length === 0 || channels.length === 0) return [];
    const { texts, deferred } = await eventTexts(this.#parts, entries, channels, this.#heading);
    await deferChanges(this.#parts, deferred);
    this.#hasDeferred ||= deferred.length > 0;
    return texts;
  }

  /**
   * Publishes deferred changes again once a replica answers.
   * @returns subscriptions that restart because their snapshot was incomplete
   */
  async retry(now: number): Promise<readonly { readonly id: string; readonly name: string }[]> {
    if (!this.#hasDeferred && !this.#subscriptions.hasUnseen) return [];
    if (now - this.#triedAt < pauseMilliseconds) return [];
    this.#triedAt = now;
    const { unknown } = await readUnits(this.#parts, [anyId]);
    if (unknown.size > 0) return [];
    const again = this.#subscriptions.restartUnseen();
    if (this.#hasDeferred) this.#hasDeferred = await republishDeferred(this.#parts);
    return again;
  }
}
