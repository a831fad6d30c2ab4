/**
 * Reads the first messages of subscriptions to event channels: a snapshot, or the changes that the client has missed. These reads
 * run outside the rounds, so that a slow one delays no other message. The round that starts the subscription adds the changes
 * that came meanwhile.
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

export interface InitialMessages {
  readonly texts: readonly string[];
  /** position that the client has reached with these messages */
  readonly position: string;
  readonly isUnseen: boolean;
}

export interface InitialReadsParts extends SmartQueryParts {
  readonly log: Log;
  /** starts the next round */
  readonly wake: () => void;
}

/** Position and clock of the current round. */
export interface Round {
  readonly epoch: string;
  readonly position: string;
  readonly nowMilliseconds: number;
  readonly heading: (channel: string, position: string) => Heading;
}

const readsAtOnce = 2;
const failurePauseMilliseconds = 500;

interface Read {
  result: InitialMessages | undefined;
  /** epoch ms at which a failed read is retried */
  retryAt: number;
}

export class InitialReads {
  readonly #parts: InitialReadsParts;
  readonly #reads = new Map<string, Read>();
  #reading = 0;

  constructor(parts: InitialReadsParts) {
    this.#parts = parts;
  }

  /** @returns the first messages, or undefined until they have been read */
  get(pending: Watcher & { readonly channel: EventChannel }, round: Round): InitialMessages | undefined {
    const key = keyOf(pending);
    const known = this.#reads.get(key);
    if (known?.result) return known.result;
    if ((!known || known.retryAt <= round.nowMilliseconds) && this.#reading < readsAtOnce) {
      const read: Read = { result: undefined, retryAt: Infinity };
      this.#reads.set(key, read);
      void this.#read(read, pending, round);
    }
    return undefined;
  }

  /** Drops everything: results of one epoch are invalid in another. */
  clear(): void {
    this.#reads.clear();
  }

  /** Drops results at the end of a round: a later subscription needs a newer one. */
  forgetResults(): void {
    for (const [key, { result }] of this.#reads) if (result) this.#reads.delete(key);
  }

  async #read(
    read: Read,
    { channel, since, hasGap }: Watcher & { readonly channel: EventChannel },
    round: Round,
  ): Promise<void> {
    const { log, wake } = this.#parts;
    this.#reading += 1;
    try {
      const resumed = since && !hasGap ? await this.#resume(channel, since, round) : undefined;
      read.result = resumed ?? (await this.#snapshot(channel, round, hasGap || since !== undefined));
    } catch (error) {
      log.warn('reading a snapshot failed; it is retried', { channel: channel.name, error });
      read.retryAt = round.nowMilliseconds + failurePauseMilliseconds;
    } finally {
      this.#reading -= 1;
      wake();
    }
  }

  /** The changes that a client has missed, or undefined if the feed no longer has them: the client needs a snapshot. */
  async #resume(channel: EventChannel, since: Since, round: Round): Promise<InitialMessages | undefined> {
    const { redis, keys } = this.#parts;
    const { epoch, position, nowMilliseconds, heading } = round;
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

  async #snapshot(
    channel: EventChannel,
    { position, heading }: Round,
    hasGap: boolean,
  ): Promise<InitialMessages> {
    const { texts, isUnseen } = await readerOf(channel).snapshot(this.#parts, channel);
    const more = { ...(hasGap && { gap: true }), ...(isUnseen && { unseen: 'replica' }) };
    return { texts: texts(heading(channel.name, position), more), position, isUnseen };
  }
}

/** Subscriptions that need the same read share it. */
function keyOf({ channel, since, hasGap }: Watcher): string {
  return JSON.stringify([channel.name, hasGap, since]);
}
