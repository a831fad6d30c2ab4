/**
 * What a WebSocket can subscribe to, a row for each channel. Streams, checkpoints, `asyncapi.json` and the types of the live
 * client derive from it; functions/broadcast/channels has a reader for each.
 */
import * as z from 'zod/mini';
import { streams as sharedStreams } from '../change-feed/streams.ts';
import { executedObsUnit } from '../observation/executed-obs-unit.ts';
import type { Permission } from '../people/permissions.ts';
import { readBuffer } from '../status/operations.ts';
import { readTransaction } from '../submission/operations.ts';
import { readTransferOverview } from '../transfer/operations.ts';
import { maxInteger } from '../values/integer.ts';

interface ChannelRow {
  /** its names; `{integer}`, or `{id}` for a UUID, stands for the value of one of them */
  readonly patterns: readonly string[];
  /** a state is sent whole, a burst folded into the last one; of events each is sent */
  readonly mode: 'state' | 'event';
  /** whose positions it has: a shared stream, or one of its own by another name */
  readonly stream: string;
  /** changes that others make at main concern it: they are looked for often while it is watched */
  readonly followsMain: boolean;
  readonly permission: Permission;
  /** what `data` is, for people */
  readonly describes: string;
  /** what `data` is in a snapshot, and in an update of a state */
  readonly data: z.ZodMiniType;
  /** what `data` is in an update of an event channel */
  readonly update?: z.ZodMiniType;
}

/** A record that fits no message is read over HTTP. */
const tooLarge = z.object({ id: z.string(), error: z.literal('too_large'), location: z.string() });
const unit = z.union([executedObsUnit, tooLarge]);
const status = z.nullable(readTransaction.answers[200]);

export const channels = {
  transfer: {
    patterns: ['transfer.overview'],
    mode: 'state',
    stream: 'transfer',
    followsMain: true,
    permission: 'read:transfers',
    describes: 'as GET /api/transfer/overview',
    data: readTransferOverview.answers[200],
  },
  buffer: {
    patterns: ['buffer'],
    mode: 'state',
    stream: 'buffer',
    followsMain: false,
    permission: 'read:observations',
    describes: 'as GET /api/buffer',
    data: readBuffer.answers[200],
  },
  units: {
    patterns: ['executed_obs_units', 'executed_obs_units?obs_unit_id={integer}'],
    mode: 'event',
    stream: 'observations',
    followsMain: true,
    permission: 'read:observations',
    describes: 'the newest hundred, as GET /executed_obs_units',
    data: z.array(unit),
    update: z.nullable(unit),
  },
  transaction: {
    patterns: ['transactions.{id}'],
    mode: 'event',
    stream: 'observations',
    followsMain: false,
    permission: 'read:observations',
    describes: 'as GET /api/transactions/{id}, null if there is none',
    data: status,
    update: status,
  },
} as const satisfies Readonly<Record<string, ChannelRow>>;

type Channels = typeof channels;
export type ChannelKind = keyof Channels;
export const channelKinds = Object.keys(channels) as ChannelKind[];

type KindOf<Mode extends ChannelRow['mode']> = {
  [Kind in ChannelKind]: Channels[Kind]['mode'] extends Mode ? Kind : never;
}[ChannelKind];
export type StateKind = KindOf<'state'>;
export type EventKind = KindOf<'event'>;

export const stateKinds = channelKinds.filter((kind) => isStateKind(kind));

export function isStateKind(kind: ChannelKind): kind is StateKind {
  return channels[kind].mode === 'state';
}

type ValueOf<Pattern> = Pattern extends `${string}{integer}${string}`
  ? number
  : Pattern extends `${string}{id}${string}`
    ? string
    : undefined;

/** A channel as a client names it: `{kind: 'units', name: 'executed_obs_units?obs_unit_id=7', value: 7}`. */
export type ChannelOf<Kind extends ChannelKind> = {
  [Each in Kind]: {
    readonly kind: Each;
    readonly name: string;
    readonly value: ValueOf<Channels[Each]['patterns'][number]>;
  };
}[Kind];
export type Channel = ChannelOf<ChannelKind>;
export type StateChannel = ChannelOf<StateKind>;
export type EventChannel = ChannelOf<EventKind>;

export function isState(channel: Channel): channel is StateChannel {
  return isStateKind(channel.kind);
}

export function isEvent(channel: Channel): channel is EventChannel {
  return !isState(channel);
}

const matchers = channelKinds.flatMap((kind) =>
  channels[kind].patterns.map((pattern) => ({ kind, pattern, expression: expressionOf(pattern) })),
);

function expressionOf(pattern: string): RegExp {
  const source = pattern
    .replace(/[.?]/g, '\\$&')
    .replace('{integer}', '([1-9]\\d{0,9})')
    .replace('{id}', '([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})');
  return new RegExp(`^${source}$`);
}

/** @returns undefined if there is no such channel */
export function readChannel(name: string): Channel | undefined {
  for (const { kind, pattern, expression } of matchers) {
    const found = expression.exec(name);
    if (!found) continue;
    const value = pattern.includes('{integer}') ? Number(found[1]) : found[1];
    if (typeof value === 'number' && value > maxInteger) return undefined;
    return { kind, name, value } as Channel;
  }
  return undefined;
}

/** The name of a state channel, which has no value. */
export function nameOf(kind: StateKind): string {
  return channels[kind].patterns[0];
}

export function permissionOf({ kind }: Channel): Permission {
  return channels[kind].permission;
}

export type StreamName = keyof typeof sharedStreams | Channels[ChannelKind]['stream'];

interface Stream {
  readonly stream: string;
  readonly wakes: string;
}

/** Every stream: those that scripts write, and those of channels of which no stream tells. */
export const streams = {
  ...Object.fromEntries(
    channelKinds.map((kind) => {
      const { stream } = channels[kind];
      return [stream, { stream, wakes: `${stream}_updates` }];
    }),
  ),
  ...sharedStreams,
} as Readonly<Record<StreamName, Stream>>;

export const streamNames = Object.keys(streams) as StreamName[];

/** Whether something else appends to the stream: a state has a position of it only as long as that is new to its clients. */
export function isShared(stream: StreamName): boolean {
  return stream in sharedStreams;
}

/** The stream whose positions the channel has. */
export function streamOf({ kind }: { readonly kind: ChannelKind }): StreamName {
  return channels[kind].stream;
}
