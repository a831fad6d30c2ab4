/** What clients are given: derived from the channels, so that a new one needs nothing here. */
import type * as z from 'zod/mini';
import type { ChannelKind, channels } from '../channels/channels.ts';
import type { Of } from '../http/operation.ts';

type Channels = typeof channels;

type NameOf<Pattern> = Pattern extends `${infer Before}{integer}${infer After}`
  ? `${Before}${number}${After}`
  : Pattern extends `${infer Before}{id}${infer After}`
    ? `${Before}${string}${After}`
    : Pattern;

type NamesOf<Kind extends ChannelKind> = NameOf<Channels[Kind]['patterns'][number]>;

export type ChannelName = NamesOf<ChannelKind>;

type KindOf<C extends ChannelName> = {
  [Kind in ChannelKind]: C extends NamesOf<Kind> ? Kind : never;
}[ChannelKind];

type SnapshotSchema<Kind extends ChannelKind> = Channels[Kind]['data'];

/** The update of a state is as its snapshot; that of an event channel is one change. */
type UpdateSchema<Kind extends ChannelKind> = Channels[Kind] extends { readonly update: infer Update }
  ? Update
  : SnapshotSchema<Kind>;

export interface Data<C extends ChannelName> {
  readonly snapshot: Of<SnapshotSchema<KindOf<C>>>;
  readonly update: Of<UpdateSchema<KindOf<C>> & z.ZodMiniType>;
}

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
