/** What comes on one channel: each event once, in order, whatever the server says twice or too late. */
import { isAfter } from '../change-feed/position.ts';
import type { ChannelName, Data, LiveEvent } from './live-events.ts';
import { jsonOf, type ServerMessage } from './server-message.ts';

/** A snapshot of which some parts are still to come. */
interface Assembly {
  readonly of: string;
  readonly data: unknown[];
  readonly json: string[];
}

/** The events of one channel, each once and in order. What is not read waits. */
export class LiveSubscription<C extends ChannelName> implements AsyncIterable<LiveEvent<C>> {
  readonly channel: C;
  /** where it is; undefined before the first snapshot */
  since: { readonly epoch: string; readonly position: string } | undefined;
  /** for the client alone: the number of what was asked last; answers to anything else are not its own */
  request: number | undefined;
  /** for the client alone: since when the answer, or the rest of it, has not come, epoch ms */
  askedAt: number | undefined;
  readonly #close: () => void;
  readonly #listeners: ((event: LiveEvent<C>) => void)[] = [];
  readonly #waiting: LiveEvent<C>[] = [];
  #fence = 0;
  /** the answer has begun: a first part, or that the server goes on where the client is */
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

  /** For the client alone. */
  end(error?: Error): void {
    this.#ended ??= { error };
    this.#wake?.();
  }

  /** For the client alone: from now on it takes what answers this request. */
  asked(request: number, nowMilliseconds: number): void {
    this.request = request;
    this.askedAt = nowMilliseconds;
    this.#hasBegun = false;
    this.#assembly = undefined;
  }

  /**
   * For the client alone: takes what is new and its own, and drops what it has or what an older broadcaster sends.
   * @param text the whole message
   * @returns false if a part is missing: it must be asked for again
   */
  receive(message: ServerMessage, text: string, nowMilliseconds: number): boolean {
    const { epoch, fence, request, type } = message;
    if (request !== undefined && request !== this.request) return true;
    if (this.since?.epoch === epoch && fence < this.#fence) return true;
    if (type === 'snapshot') return this.#takePart(message, jsonOf(text), nowMilliseconds);
    if (type === 'resumed') {
      // there is nothing that it could go on from
      if (!this.since) return false;
      this.#begin(message);
      return true;
    }
    // it is the rest of something else, or comes in the middle of a snapshot
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

  /** Parts must come one after the other; a first part begins anew. */
  #takePart(message: ServerMessage, json: string, nowMilliseconds: number): boolean {
    const { epoch, position, fence, part = 1, parts = 1 } = message;
    const of = JSON.stringify([epoch, position, fence, parts]);
    if (part === 1) this.#assembly = { of, data: [], json: [] };
    // it belongs to a snapshot whose beginning was another request's
    if (!this.#assembly) return this.#hasBegun;
    if (this.#assembly.of !== of || part > this.#assembly.data.length + 1) return false;
    // sent twice, since the answer to its post was lost
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
