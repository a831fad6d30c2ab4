/**
 * The channels of the WebSocket, one row each. Streams, checkpoints, `asyncapi.json` and the types of the live client are derived from
 * it; functions/broadcast/channels has a reader for each.
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
  /** patterns of its names; `{integer}`, or `{id}` for a UUID, is the channel's value */
  readonly patterns: readonly string[];
  /** a state is sent as a whole, and a burst is folded into the last one; events are all sent */
  readonly mode: 'state' | 'event';
  /** stream of its positions: a shared one, or its own under another name */
  readonly stream: string;
  /** changes by plain SQL concern it, so the outbox is polled often while it has subscriptions */
  readonly followsMain: boolean;
  readonly permission: Permission;
  /** description of `data` in the documentation */
  readonly describes: string;
  /** schema of `data` in a snapshot, and in an update of a state */
  readonly data: z.ZodMiniType;
  /** schema of `data` in an update of an event channel */
  readonly update?: z.ZodMiniType;
}

/** Replaces a record that is too large for a message; clients read it over HTTP. */
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
    describes: 'as GET /api/transactions/{id}, null if it does not exist',
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

/** A channel parsed from its name: `{kind: 'units', name: 'executed_obs_units?obs_unit_id=7', value: 7}`. */
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

/** @returns undefined if the channel does not exist */
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

/** All streams: those that scripts write, and the own streams of channels. */
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

/** Whether scripts append to the stream. A state uses a position of a shared stream only if that is new to its clients. */
export function isShared(stream: StreamName): boolean {
  return stream in sharedStreams;
}

/** The stream of the channel's positions. */
export function streamOf({ kind }: { readonly kind: ChannelKind }): StreamName {
  return channels[kind].stream;
}
