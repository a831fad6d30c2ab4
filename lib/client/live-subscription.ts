/** What comes on one channel: each event once, in order, whatever the server says twice or too late. */
import { isAfter } from '../change-feed/position.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { TransactionStatus } from '../smart-query/transactions.ts';
import type { TransferOverview } from '../transfer/operations.ts';

type UnitsChannel = 'executed_obs_units' | `executed_obs_units?obs_unit_id=${number}`;
export type ChannelName = 'transfer.overview' | 'buffer' | UnitsChannel | `transactions.${string}`;

/** What a record looks like that fits no message: read it over HTTP. */
export interface TooLarge {
  readonly id: string;
  readonly error: 'too_large';
  readonly location: string;
}

type Data<C extends ChannelName> = C extends 'transfer.overview'
  ? { readonly snapshot: TransferOverview; readonly update: TransferOverview }
  : C extends 'buffer'
    ? {
        readonly snapshot: Readonly<Record<string, unknown>>;
        readonly update: Readonly<Record<string, unknown>>;
      }
    : C extends UnitsChannel
      ? {
          /** the newest hundred */
          readonly snapshot: readonly (ExecutedObsUnit | TooLarge)[];
          /** null: the record is not there any more, or (`change: 'left'`) belongs to another planned unit now */
          readonly update: ExecutedObsUnit | TooLarge | null;
        }
      : { readonly snapshot: TransactionStatus | null; readonly update: TransactionStatus | null };

interface Told<C extends ChannelName> {
  readonly channel: C;
  readonly position: string;
  /** `data` as it was sent: a number that a double cannot hold has all its digits here, and only here */
  readonly json: string;
}

export type LiveEvent<C extends ChannelName> =
  | (Told<C> & {
      readonly type: 'snapshot';
      readonly data: Data<C>['snapshot'];
      /** changes before it may not have been sent one by one */
      readonly gap: boolean;
      /** what could not be looked at: records may be missing. Another snapshot follows once it can be */
      readonly unseen?: string;
    })
  | (Told<C> & {
      readonly type: 'update';
      readonly data: Data<C>['update'];
      /** of event channels: what has happened to the record */
      readonly change?: string;
      /** of event channels: which record */
      readonly record?: string;
    });

export interface ServerMessage {
  readonly type: 'snapshot' | 'update' | 'resumed' | 'unsubscribed' | 'pong' | 'error';
  readonly channel?: string;
  /** that it answers; the first release does not send it */
  readonly request?: number;
  readonly epoch: string;
  readonly position: string;
  readonly fence: number;
  readonly part?: number;
  readonly parts?: number;
  readonly gap?: boolean;
  readonly unseen?: string;
  readonly change?: string;
  readonly record?: string;
  readonly data: unknown;
  readonly code?: string;
  readonly detail?: string;
}

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

/** The server writes `data` last, and no member before it can contain its name. */
function jsonOf(text: string): string {
  const name = '"data":';
  return text.slice(text.indexOf(name) + name.length, -1);
}
