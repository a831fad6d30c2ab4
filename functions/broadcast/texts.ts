/** What is said on a channel: read through the smart query when it is sent, so that a record never goes backwards. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { streams, type StreamName } from '../../lib/change-feed/append.ts';
import type { Channel } from '../../lib/change-feed/channels.ts';
import { listMessages, recordJson, stateMessage, type Heading } from '../../lib/change-feed/protocol.ts';
import type { FeedEntry } from '../../lib/change-feed/read.ts';
import { readBufferReport } from '../../lib/smart-query/buffer-report.ts';
import { noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import { readExecutedObsUnits } from '../../lib/smart-query/executed-obs-units.ts';
import { listExecutedObsUnits } from '../../lib/smart-query/list-executed-obs-units.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { readTransactionStatus } from '../../lib/smart-query/transactions.ts';
import { readTransferOverview } from '../../lib/transfer/overview.ts';

export interface EventText {
  readonly channel: string;
  readonly position: string;
  readonly text: string;
}

/** The newest of an event channel's snapshot. */
const snapshotLimit = 100;

/** The messages that these entries make on these channels, in the order of the entries. */
export async function eventTexts(
  parts: SmartQueryParts,
  entries: readonly FeedEntry[],
  channels: readonly Channel[],
  heading: (channel: string, position: string) => Heading,
): Promise<EventText[]> {
  const pairs = entries.flatMap((entry) =>
    channels.filter((channel) => concerns(entry, channel)).map((channel) => ({ entry, channel })),
  );
  if (pairs.length === 0) return [];
  const ofUnits = pairs.filter(({ channel }) => channel.kind === 'units');
  const ids = new Set(ofUnits.flatMap(({ entry }) => entry.record ?? []));
  const units = ids.size > 0 ? await readExecutedObsUnits(parts, [...ids]) : new Map<string, never>();
  const transactions = new Map<string, string>();
  for (const { channel } of pairs) {
    if (channel.kind !== 'transaction' || transactions.has(channel.id)) continue;
    transactions.set(channel.id, JSON.stringify((await readTransactionStatus(parts, channel.id)) ?? null));
  }
  return pairs.flatMap(({ entry, channel }) => {
    const { position, record = '', change, transaction } = entry;
    if (channel.kind === 'transaction') {
      const json = transactions.get(channel.id) ?? 'null';
      return [
        {
          channel: channel.name,
          position,
          text: stateMessage('update', heading(channel.name, position), json, { change }),
        },
      ];
    }
    const unit = units.get(record);
    // of a change by others the feed knows the record alone
    if (isOfOther(channel, unit?.obs_unit_id ?? entry.obsUnitId)) return [];
    const more = { change, record, ...(transaction !== undefined && { transaction_id: transaction }) };
    const text = stateMessage('update', heading(channel.name, position), recordJson(unit), more);
    return [{ channel: channel.name, position, text }];
  });
}

function isOfOther(channel: Channel, obsUnitId: number | undefined): boolean {
  if (channel.kind !== 'units' || channel.obsUnitId === undefined || obsUnitId === undefined) return false;
  return channel.obsUnitId !== obsUnitId;
}

function concerns(entry: FeedEntry, channel: Channel): boolean {
  switch (channel.kind) {
    case 'units':
      return entry.record !== undefined && !isOfOther(channel, entry.obsUnitId);
    case 'transaction':
      return entry.transaction === channel.id;
    default:
      return false;
  }
}

/** The snapshot of an event channel. */
export async function snapshotTexts(
  parts: SmartQueryParts,
  channel: Extract<Channel, { kind: 'units' | 'transaction' }>,
  heading: Heading,
  more: object,
): Promise<readonly string[]> {
  if (channel.kind === 'transaction') {
    const status = await readTransactionStatus(parts, channel.id);
    return [stateMessage('snapshot', heading, JSON.stringify(status ?? null), more)];
  }
  const { obsUnitId } = channel;
  const filter = obsUnitId === undefined ? {} : { obsUnitId };
  const { records } = await listExecutedObsUnits(parts, { filter, limit: snapshotLimit });
  return listMessages(heading, records, more);
}

/**
 * A state as a GET would give it. The buffer's changes stand in no stream until they are shown: the one who shows them gives
 * them their position.
 */
export async function readState(
  parts: SmartQueryParts,
  kind: 'transfer' | 'buffer',
  before: string | undefined,
  nowMilliseconds: number,
): Promise<{ readonly json: string; readonly position?: string }> {
  if (kind === 'transfer') {
    return { json: JSON.stringify(await readFromReplica(parts.replicas, noFloor, readTransferOverview)) };
  }
  const json = JSON.stringify(await readBufferReport(parts, nowMilliseconds));
  return json === before ? { json } : { json, position: await append(parts, 'buffer') };
}

async function append({ redis, keys }: SmartQueryParts, name: StreamName): Promise<string> {
  const trim = { type: 'MAXLEN', threshold: 1000, comparison: '~' } as const;
  return z
    .string()
    .parse(await redis.xadd(keys.feed(streams[name].stream), '*', { id: randomUUID() }, { trim }));
}
