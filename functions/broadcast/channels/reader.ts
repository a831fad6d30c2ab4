/** How a channel is read. A record of all channels has one of these for each. */
import type { EventChannel, EventKind, StreamName } from '../../../lib/channels/channels.ts';
import type { Heading } from '../../../lib/channels/protocol.ts';
import type { FeedEntry, StreamTail } from '../../../lib/channels/read.ts';
import type { SmartQueryParts } from '../../../lib/smart-query/snapshot.ts';

export type Tails = Readonly<Record<StreamName, StreamTail>>;

export interface StateReader {
  /** whether what is new in the feed may have changed the state */
  readonly concerns: (tails: Tails) => boolean;
  /** the state as a GET answers it */
  readonly read: (parts: SmartQueryParts, nowMilliseconds: number) => Promise<unknown>;
  /** it changes by time alone too: it is read again when it is so old */
  readonly oldMilliseconds?: number;
}

export interface EventReader<Channel extends EventChannel = EventChannel> {
  /** whether entries say that more has changed than they name: every subscription begins again */
  readonly concernsAll: (entries: readonly FeedEntry[]) => boolean;
  /** what these channels show of the entries, through the smart query: a record never goes backwards */
  readonly read: (
    parts: SmartQueryParts,
    entries: readonly FeedEntry[],
    channels: readonly Channel[],
  ) => Promise<Updates<Channel>>;
  /** @throws ReplicaUnavailable if nothing of it is known */
  readonly snapshot: (parts: SmartQueryParts, channel: Channel) => Promise<Snapshot>;
}

export interface Updates<Channel> {
  /** undefined if the entry does not concern the channel, or cannot be shown yet */
  readonly of: (entry: FeedEntry, channel: Channel) => Update | undefined;
  /** changes that cannot be shown before a replica answers */
  readonly deferred: readonly string[];
}

export interface Update {
  /** `data` */
  readonly json: string;
  /** members of the message besides its heading */
  readonly about: object;
}

export interface Snapshot {
  /** the messages that make it. @param more members of each */
  readonly texts: (heading: Heading, more: object) => readonly string[];
  /** something could not be looked at: the snapshot says so, and another one follows */
  readonly isUnseen: boolean;
}

export type EventReaders = {
  readonly [Kind in EventKind]: EventReader<Extract<EventChannel, { kind: Kind }>>;
};
