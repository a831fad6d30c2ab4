/** Types of live events, derived from the channels, so that a new channel needs no change here. */
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

/** The update of a state channel has the schema of its snapshot; that of an event channel has its own. */
type UpdateSchema<Kind extends ChannelKind> = Channels[Kind] extends { readonly update: infer Update }
  ? Update
  : SnapshotSchema<Kind>;

export interface Data<C extends ChannelName> {
  readonly snapshot: Of<SnapshotSchema<KindOf<C>>>;
  readonly update: Of<UpdateSchema<KindOf<C>> & z.ZodMiniType>;
}

interface EventHeading<C extends ChannelName> {
  readonly channel: C;
  readonly position: string;
  /** `data` as sent: only here do numbers keep digits beyond a double */
  readonly json: string;
}

export type LiveEvent<C extends ChannelName> =
  | (EventHeading<C> & {
      readonly type: 'snapshot';
      readonly data: Data<C>['snapshot'];
      /** changes before it may not have been sent one by one */
      readonly gap: boolean;
      /** a source that could not be read, so that records may be missing; another snapshot follows once it can be read */
      readonly unseen?: string;
    })
  | (EventHeading<C> & {
      readonly type: 'update';
      readonly data: Data<C>['update'];
      /** of event channels: kind of the change */
      readonly change?: string;
      /** of event channels: id of the record */
      readonly record?: string;
    });
