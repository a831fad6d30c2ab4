/** The messages of event channels. */
import type { EventChannel, EventKind } from '../../lib/channels/channels.ts';
import { stateMessage, type Heading } from '../../lib/channels/protocol.ts';
import type { FeedEntry } from '../../lib/channels/read.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import type { EventReader, Updates } from './channels/reader.ts';
import { eventReaders } from './channels/readers.ts';

export interface EventText {
  readonly channel: string;
  readonly position: string;
  readonly text: string;
}

export interface EventTexts {
  readonly texts: readonly EventText[];
  /** changes that cannot be sent before a replica answers */
  readonly deferred: readonly string[];
}

// the record pairs each kind with its reader, which the types of `Object.entries` do not express
const readers = Object.entries(eventReaders) as unknown as readonly (readonly [EventKind, EventReader])[];
const byKind = new Map(readers);
const nothing: Updates<EventChannel> = { of: () => undefined, deferred: [] };

export function readerOf({ kind }: EventChannel): EventReader {
  const reader = byKind.get(kind);
  if (!reader) throw new Error(`no reader for ${kind}`);
  return reader;
}

/** The messages of these entries on these channels, in the order of the entries. */
export async function eventTexts(
  parts: SmartQueryParts,
  entries: readonly FeedEntry[],
  channels: readonly EventChannel[],
  heading: (channel: string, position: string) => Heading,
): Promise<EventTexts> {
  const all = await Promise.all(
    readers.map(async ([kind, reader]) => {
      const ofKind = channels.filter((channel) => channel.kind === kind);
      const isAny = ofKind.length > 0 && entries.length > 0;
      return { ofKind, updates: isAny ? await reader.read(parts, entries, ofKind) : nothing };
    }),
  );
  const texts = entries.flatMap((entry) =>
    all.flatMap(({ ofKind, updates }) =>
      ofKind.flatMap((channel) => {
        const update = updates.of(entry, channel);
        if (!update) return [];
        const { name } = channel;
        const text = stateMessage('update', heading(name, entry.position), update.json, update.about);
        return [{ channel: name, position: entry.position, text }];
      }),
    ),
  );
  return { texts, deferred: all.flatMap(({ updates }) => updates.deferred) };
}
