/** What comes on one channel: each event once, in order, whatever the server says twice or too late. */
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { TransactionStatus } from '../smart-query/transactions.ts';
import type { TransferOverview } from '../transfer/overview.ts';

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
          /** null: the record is there no more */
          readonly update: ExecutedObsUnit | TooLarge | null;
        }
      : { readonly snapshot: TransactionStatus | null; readonly update: TransactionStatus | null };

export type LiveEvent<C extends ChannelName> =
  | {
      readonly type: 'snapshot';
      readonly channel: C;
      readonly position: string;
      readonly data: Data<C>['snapshot'];
      /** changes before it may not have been told one by one */
      readonly gap: boolean;
    }
  | {
      readonly type: 'update';
      readonly channel: C;
      readonly position: string;
      readonly data: Data<C>['update'];
      /** of event channels: what has happened to the record */
      readonly change?: string;
      /** of event channels: which record */
      readonly record?: string;
    };

export interface ServerMessage {
  readonly type: 'snapshot' | 'update' | 'resumed' | 'unsubscribed' | 'pong' | 'error';
  readonly channel?: string;
  readonly epoch: string;
  readonly position: string;
  readonly fence: number;
  readonly part?: number;
  readonly parts?: number;
  readonly gap?: boolean;
  readonly change?: string;
  readonly record?: string;
  readonly data: unknown;
  readonly code?: string;
  readonly detail?: string;
}

/** The events of one channel, each once and in order. What is not read waits. */
export class LiveSubscription<C extends ChannelName> implements AsyncIterable<LiveEvent<C>> {
  readonly channel: C;
  /** where it is; undefined before the first snapshot */
  since: { readonly epoch: string; readonly position: string } | undefined;
  /** for the client alone: since when nothing has come of it, epoch ms */
  askedAt: number | undefined;
  readonly #close: () => void;
  readonly #listeners: ((event: LiveEvent<C>) => void)[] = [];
  readonly #waiting: LiveEvent<C>[] = [];
  #fence = 0;
  #parts: unknown[] = [];
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

  /** For the client alone: takes what is new, and drops what it has or what an older broadcaster says. */
  receive(message: ServerMessage): void {
    const { epoch, position, fence } = message;
    this.askedAt = undefined;
    const isSameEpoch = this.since?.epoch === epoch;
    if (isSameEpoch && fence < this.#fence) return;
    this.#fence = fence;
    if (message.type === 'resumed') return;
    const isKnown = isSameEpoch && !isAfter(position, this.since?.position ?? '');
    if (isKnown && message.gap !== true) return;
    if (message.type === 'update') {
      this.since = { epoch, position };
      const { change, record } = message;
      this.#emit({
        type: 'update',
        channel: this.channel,
        position,
        data: message.data as Data<C>['update'],
        ...(change !== undefined && { change }),
        ...(record !== undefined && { record }),
      });
      return;
    }
    const { part = 1, parts = 1 } = message;
    if (part === 1) this.#parts = [];
    this.#parts.push(message.data);
    if (part < parts) return;
    this.since = { epoch, position };
    const data = (message.parts === undefined ? message.data : this.#parts.flat()) as Data<C>['snapshot'];
    this.#emit({ type: 'snapshot', channel: this.channel, position, data, gap: message.gap === true });
  }

  #emit(event: LiveEvent<C>): void {
    for (const listener of this.#listeners) listener(event);
    if (this.#listeners.length > 0 && !this.#isRead) return;
    this.#waiting.push(event);
    this.#wake?.();
  }
}

/** In the order of the feed: milliseconds, then a number. */
function isAfter(position: string, other: string): boolean {
  const [a = [0, 0], b = [0, 0]] = [position, other].map((each) => each.split('-').map(Number));
  return (a[0] ?? 0) - (b[0] ?? 0) > 0 || (a[0] === b[0] && (a[1] ?? 0) > (b[1] ?? 0));
}
