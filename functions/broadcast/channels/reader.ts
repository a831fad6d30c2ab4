/** Interfaces for reading a channel. `readers.ts` has one reader for each kind of channel. */
import type { EventChannel, EventKind, StreamName } from '../../../lib/channels/channels.ts';
import type { Heading } from '../../../lib/channels/protocol.ts';
import type { FeedEntry, StreamTail } from '../../../lib/channels/read.ts';
import type { SmartQueryParts } from '../../../lib/smart-query/snapshot.ts';

export type Tails = Readonly<Record<StreamName, StreamTail>>;

export interface StateReader {
  /** whether new entries of the feed may have changed the state */
  readonly concerns: (tails: Tails) => boolean;
  /** the state as a GET answers it */
  readonly read: (parts: SmartQueryParts, nowMilliseconds: number) => Promise<unknown>;
  /** set if the state also changes with time: it is read again at this age */
  readonly maxAgeMilliseconds?: number;
}

export interface EventReader<Channel extends EventChannel = EventChannel> {
  /** whether the entries mean more changes than they name, so that every subscription must restart */
  readonly concernsAll: (entries: readonly FeedEntry[]) => boolean;
  /** the updates of these channels, read through the smart query, so that a record never goes back to an older state */
  readonly read: (
    parts: SmartQueryParts,
    entries: readonly FeedEntry[],
    channels: readonly Channel[],
  ) => Promise<Updates<Channel>>;
  /** @throws ReplicaUnavailable if the buffer does not have it either */
  readonly snapshot: (parts: SmartQueryParts, channel: Channel) => Promise<Snapshot>;
}

export interface Updates<Channel> {
  /** undefined if the entry does not concern the channel, or cannot be shown yet */
  readonly of: (entry: FeedEntry, channel: Channel) => Update | undefined;
  /** changes that cannot be sent before a replica answers */
  readonly deferred: readonly string[];
}

export interface Update {
  /** `data` */
  readonly json: string;
  /** members of the message in addition to its heading */
  readonly about: object;
}

export interface Snapshot {
  /** the messages of the snapshot. @param more members of each message */
  readonly texts: (heading: Heading, more: object) => readonly string[];
  /** a source could not be read: the snapshot is marked as incomplete, and another one follows */
  readonly isUnseen: boolean;
}

export type EventReaders = {
  readonly [Kind in EventKind]: EventReader<Extract<EventChannel, { kind: Kind }>>;
};
