/** Turns the messages of a channel into events, each once and in order, even if messages are repeated or late. */
import { isAfter } from '../change-feed/position.ts';
import type { ChannelName, Data, LiveEvent } from './live-events.ts';
import { jsonOf, type ServerMessage } from './server-message.ts';

/** An incomplete snapshot. */
interface Assembly {
  readonly of: string;
  readonly data: unknown[];
  readonly json: string[];
}

/** The events of a channel, each once and in order. Unread events are queued. */
export class LiveSubscription<C extends ChannelName> implements AsyncIterable<LiveEvent<C>> {
  readonly channel: C;
  /** current position; undefined before the first snapshot */
  since: { readonly epoch: string; readonly position: string } | undefined;
  /** internal: number of the last request; answers to others are ignored */
  request: number | undefined;
  /** internal: epoch ms since which the answer, or the rest of it, is outstanding */
  askedAt: number | undefined;
  readonly #close: () => void;
  readonly #listeners: ((event: LiveEvent<C>) => void)[] = [];
  readonly #waiting: LiveEvent<C>[] = [];
  #fence = 0;
  /** the first part of a snapshot, or `resumed`, has been received */
  #hasBegun = false;
  #assembly: Assembly | undefined;
  #isRead = false;
  #wake: (() => void) | undefined;
  #ended: { readonly error: Error | undefined } | undefined;

  constructor(channel: C, close: () => void) {
    this.channel = channel;
    this.#close = close;
  }

  listen(listener: (event: LiveEvent<C>) => void): void {
    this.#listeners.push(listener);
  }

  /** Ends the subscription. */
  close(): void {
    this.#close();
    this.end();
  }

  /** @throws LiveError if the server ends it */
  async *[Symbol.asyncIterator](): AsyncGenerator<LiveEvent<C>, void> {
    this.#isRead = true;
    for (;;) {
      const next = this.#waiting.shift();
      if (next) yield next;
      else if (this.#ended?.error) throw this.#ended.error;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Internal. */
  end(error?: Error): void {
    this.#ended ??= { error };
    this.#wake?.();
  }

  /** Internal: from now on, accepts answers to this request. */
  asked(request: number, nowMilliseconds: number): void {
    this.request = request;
    this.askedAt = nowMilliseconds;
    this.#hasBegun = false;
    this.#assembly = undefined;
  }

  /**
   * Internal: processes a message. Drops messages for other requests, repeated ones and those of an older broadcaster.
   * @param text the full message
   * @returns false if a part is missing, so that the subscription must be repeated
   */
  receive(message: ServerMessage, text: string, nowMilliseconds: number): boolean {
    const { epoch, fence, request, type } = message;
    if (request !== undefined && request !== this.request) return true;
    if (this.since?.epoch === epoch && fence < this.#fence) return true;
    if (type === 'snapshot') return this.#takePart(message, jsonOf(text), nowMilliseconds);
    if (type === 'resumed') {
      // without a position it cannot continue
      if (!this.since) return false;
      this.#begin(message);
      return true;
    }
    // an update before the answer belongs to an earlier request; one within a snapshot means that a part is missing
    if (!this.#hasBegun) return true;
    if (this.#assembly) return false;
    this.#fence = fence;
    this.#takeUpdate(message, jsonOf(text));
    return true;
  }

  #begin({ fence }: ServerMessage): void {
    this.#fence = fence;
    this.#hasBegun = true;
    this.askedAt = undefined;
  }

  #isKnown({ epoch, position }: ServerMessage): boolean {
    return this.since?.epoch === epoch && !isAfter(position, this.since.position);
  }

  #takeUpdate(message: ServerMessage, json: string): void {
    if (this.#isKnown(message)) return;
    const { epoch, position, change, record, data } = message;
    this.since = { epoch, position };
    this.#emit({
      type: 'update',
      channel: this.channel,
      position,
      json,
      data: data as Data<C>['update'],
      ...(change !== undefined && { change }),
      ...(record !== undefined && { record }),
    });
  }

  /** Parts must be consecutive. A first part starts a new snapshot. */
  #takePart(message: ServerMessage, json: string, nowMilliseconds: number): boolean {
    const { epoch, position, fence, part = 1, parts = 1 } = message;
    const of = JSON.stringify([epoch, position, fence, parts]);
    if (part === 1) this.#assembly = { of, data: [], json: [] };
    // a part of a snapshot for another request
    if (!this.#assembly) return this.#hasBegun;
    if (this.#assembly.of !== of || part > this.#assembly.data.length + 1) return false;
    // repeated, because the server did not get the answer to its post
    if (part <= this.#assembly.data.length) return true;
    this.#hasBegun = true;
    this.#assembly.data.push(message.data);
    this.#assembly.json.push(json);
    this.askedAt = nowMilliseconds;
    if (part === parts) this.#takeSnapshot(message, this.#assembly);
    return true;
  }

  #takeSnapshot(message: ServerMessage, { data, json }: Assembly): void {
    this.#assembly = undefined;
    this.#begin(message);
    if (this.#isKnown(message) && message.gap !== true) return;
    const { epoch, position, gap = false, unseen } = message;
    this.since = { epoch, position };
    const isList = message.parts !== undefined;
    this.#emit({
      type: 'snapshot',
      channel: this.channel,
      position,
      json: isList
        ? `[${json
            .map((each) => each.slice(1, -1))
            .filter((each) => each !== '')
            .join(',')}]`
        : json.join(''),
      data: (isList ? data.flat() : message.data) as Data<C>['snapshot'],
      gap,
      ...(unseen !== undefined && { unseen }),
    });
  }

  #emit(event: LiveEvent<C>): void {
    for (const listener of this.#listeners) listener(event);
    if (this.#listeners.length > 0 && !this.#isRead) return;
    this.#waiting.push(event);
    this.#wake?.();
  }
}
