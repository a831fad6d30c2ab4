/**
 * What subscriptions of event channels begin with, read outside the rounds: a snapshot, or what has come since the client was
 * there. A slow read delays nobody else; what comes meanwhile is added in the round in which the subscription begins.
 */
import { streamOf, type EventChannel } from '../../lib/channels/channels.ts';
import type { Since } from '../../lib/sockets/connections.ts';
import { resumedMessage, type Heading } from '../../lib/channels/protocol.ts';
import { readBetween } from '../../lib/channels/read.ts';
import type { Log } from '../../lib/observability/log.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import type { Watcher } from './subscriptions.ts';
import { eventTexts, readerOf } from './texts.ts';
import { deferChanges } from './deferred.ts';

export interface Beginning {
  readonly texts: readonly string[];
  /** the client has everything up to here with it */
  readonly position: string;
  readonly isUnseen: boolean;
}

export interface BeginningsParts extends SmartQueryParts {
  readonly log: Log;
  /** something new is there for the next round */
  readonly wake: () => void;
}

/** Where the broadcaster is. */
export interface Place {
  readonly epoch: string;
  readonly position: string;
  readonly nowMilliseconds: number;
  readonly heading: (channel: string, position: string) => Heading;
}

const readsAtOnce = 2;
const failurePauseMilliseconds = 500;

interface Read {
  result: Beginning | undefined;
  /** epoch ms; it failed, and is begun again then */
  againAt: number;
}

export class Beginnings {
  readonly #parts: BeginningsParts;
  readonly #reads = new Map<string, Read>();
  #reading = 0;

  constructor(parts: BeginningsParts) {
    this.#parts = parts;
  }

  /** @returns what it begins with, once that is read; undefined: not yet */
  get(beginner: Watcher & { readonly channel: EventChannel }, place: Place): Beginning | undefined {
    const key = keyOf(beginner);
    const known = this.#reads.get(key);
    if (known?.result) return known.result;
    if ((!known || known.againAt <= place.nowMilliseconds) && this.#reading < readsAtOnce) {
      const read: Read = { result: undefined, againAt: Infinity };
      this.#reads.set(key, read);
      void this.#read(read, beginner, place);
    }
    return undefined;
  }

  /** What was read before says nothing of a feed of another epoch. */
  clear(): void {
    this.#reads.clear();
  }

  /** Ends with the round: what was read is as old as its position, and is read again for those that come later. */
  forgetResults(): void {
    for (const [key, { result }] of this.#reads) if (result) this.#reads.delete(key);
  }

  async #read(
    read: Read,
    { channel, since, hasGap }: Watcher & { readonly channel: EventChannel },
    place: Place,
  ): Promise<void> {
    const { log, wake } = this.#parts;
    this.#reading += 1;
    try {
      const resumed = since && !hasGap ? await this.#resume(channel, since, place) : undefined;
      read.result = resumed ?? (await this.#snapshot(channel, place, hasGap || since !== undefined));
    } catch (error) {
      log.warn('a subscription waits for its snapshot', { channel: channel.name, error });
      read.againAt = place.nowMilliseconds + failurePauseMilliseconds;
    } finally {
      this.#reading -= 1;
      wake();
    }
  }

  /** What a client has missed, or undefined if that is not known: it needs a snapshot. */
  async #resume(channel: EventChannel, since: Since, place: Place): Promise<Beginning | undefined> {
    const { redis, keys } = this.#parts;
    const { epoch, position, nowMilliseconds, heading } = place;
    if (since.epoch !== epoch) return undefined;
    const range = { from: since.position, to: position, nowMilliseconds };
    const entries = await readBetween({ redis, keys }, streamOf(channel), range);
    if (!entries || readerOf(channel).concernsAll(entries)) return undefined;
    const missed = await eventTexts(this.#parts, entries, [channel], heading);
    await deferChanges({ redis, keys }, missed.deferred);
    const texts = [
      resumedMessage(heading(channel.name, since.position)),
      ...missed.texts.map(({ text }) => text),
    ];
    return { texts, position, isUnseen: false };
  }

  async #snapshot(channel: EventChannel, { position, heading }: Place, hasGap: boolean): Promise<Beginning> {
    const { texts, isUnseen } = await readerOf(channel).snapshot(this.#parts, channel);
    const more = { ...(hasGap && { gap: true }), ...(isUnseen && { unseen: 'replica' }) };
    return { texts: texts(heading(channel.name, position), more), position, isUnseen };
  }
}

/** Beginners that need the same read share it. */
function keyOf({ channel, since, hasGap }: Watcher): string {
  return JSON.stringify([channel.name, hasGap, since]);
}
