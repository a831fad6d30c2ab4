/** What cannot be shown, since no replica answers: changes are deferred, and snapshots say so. Both come again once one does. */
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
  /** some changes wait for a replica; the last broadcaster may have left some too */
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

  /** The messages that can be made of these entries; the others are deferred. */
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
   * Once a replica answers, deferred changes are published again.
   * @returns subscriptions that begin again, since their snapshot could not show everything
   */
  async tryAgain(now: number): Promise<readonly { readonly id: string; readonly name: string }[]> {
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
