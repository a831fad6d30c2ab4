/** The messages of event channels: read through the smart query when they are sent, so that a record never goes backwards. */
import type { Channel } from '../../lib/channels/channels.ts';
import { listMessages, recordJson, stateMessage, type Heading } from '../../lib/channels/protocol.ts';
import type { FeedEntry } from '../../lib/channels/read.ts';
import { ReplicaUnavailable } from '../../lib/replication/errors.ts';
import type { ExecutedObsUnit } from '../../lib/observation/executed-obs-unit.ts';
import { listExecutedObsUnits, type UnitsPage } from '../../lib/smart-query/list-executed-obs-units.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { readTransactionStatus } from '../../lib/smart-query/transactions.ts';
import { readUnits, wholeInBuffer, type SeenUnits } from './read-units.ts';
import { deferredRecord, deferredTransaction } from './deferred.ts';

export interface EventText {
  readonly channel: string;
  readonly position: string;
  readonly text: string;
}

export interface EventTexts {
  readonly texts: readonly EventText[];
  /** changes that cannot be shown before a replica answers */
  readonly deferred: readonly string[];
}

type HeadingOf = (channel: string, position: string) => Heading;
type UnitsChannel = Extract<Channel, { kind: 'units' }>;
type TransactionChannel = Extract<Channel, { kind: 'transaction' }>;

/** The newest of an event channel's snapshot. */
const snapshotLimit = 100;

/** The messages that these entries make on these channels, in the order of the entries. */
export async function eventTexts(
  parts: SmartQueryParts,
  entries: readonly FeedEntry[],
  channels: readonly Channel[],
  heading: HeadingOf,
): Promise<EventTexts> {
  const ofUnits = channels.filter((each) => each.kind === 'units');
  const ofTransactions = channels.filter((each) => each.kind === 'transaction');
  const ids = ofUnits.length === 0 ? [] : [...new Set(entries.flatMap(({ record }) => record ?? []))];
  const units =
    ids.length > 0 ? await readUnits(parts, ids) : { records: new Map(), unknown: new Set<string>() };
  const named = new Set(entries.map(({ transaction }) => transaction));
  const statuses = await readStatuses(
    parts,
    ofTransactions.filter(({ id }) => named.has(id)),
  );
  const texts = entries.flatMap((entry) => [
    ...ofUnits.flatMap((channel) => unitText(entry, channel, units, heading)),
    ...ofTransactions.flatMap((channel) => statusText(entry, channel, statuses, heading)),
  ]);
  const deferred = [
    ...[...units.unknown].map(deferredRecord),
    ...[...statuses].flatMap(([id, json]) => (json === undefined ? [deferredTransaction(id)] : [])),
  ];
  return { texts, deferred };
}

function unitText(
  { position, record, change, transaction, obsUnitId, left }: FeedEntry,
  channel: UnitsChannel,
  { records, unknown }: SeenUnits,
  heading: HeadingOf,
): EventText[] {
  if (record === undefined || unknown.has(record)) return [];
  const unit: ExecutedObsUnit | undefined = records.get(record);
  const about = { record, ...(transaction !== undefined && { transaction_id: transaction }) };
  const text = (reported: string | undefined, data: ExecutedObsUnit | undefined) =>
    stateMessage('update', heading(channel.name, position), recordJson(data), { change: reported, ...about });
  const isIn = channel.obsUnitId === undefined || unit?.obs_unit_id === channel.obsUnitId;
  if (unit ? isIn : channel.obsUnitId === undefined) {
    return [{ channel: channel.name, position, text: text(change, unit) }];
  }
  // it belongs to another planned unit now, or is not there any more
  if (channel.obsUnitId !== left && channel.obsUnitId !== obsUnitId) return [];
  return [{ channel: channel.name, position, text: text('left', undefined) }];
}

function statusText(
  { position, change, transaction }: FeedEntry,
  { name, id }: TransactionChannel,
  statuses: ReadonlyMap<string, string | undefined>,
  heading: HeadingOf,
): EventText[] {
  const json = transaction === id ? statuses.get(id) : undefined;
  if (json === undefined) return [];
  return [
    { channel: name, position, text: stateMessage('update', heading(name, position), json, { change }) },
  ];
}

/** Of each transaction its status as JSON; undefined: it cannot be seen now. */
async function readStatuses(
  parts: SmartQueryParts,
  channels: readonly TransactionChannel[],
): Promise<Map<string, string | undefined>> {
  const statuses = new Map<string, string | undefined>();
  for (const { id } of channels) {
    try {
      statuses.set(id, JSON.stringify((await readTransactionStatus(parts, id)) ?? null));
    } catch (error) {
      if (!(error instanceof ReplicaUnavailable)) throw error;
      statuses.set(id, undefined);
    }
  }
  return statuses;
}

/** Nothing is buffered: the snapshot says that it could not see the rest, and what is buffered from now on follows. */
function withoutReplica(error: unknown): UnitsPage {
  if (error instanceof ReplicaUnavailable) return { records: [], unseen: ['replica'] };
  throw error;
}

export interface SnapshotTexts {
  readonly texts: readonly string[];
  /** something could not be looked at; the snapshot says so */
  readonly isUnseen: boolean;
}

/** The snapshot of an event channel. @throws ReplicaUnavailable if nothing of it is known */
export async function snapshotTexts(
  parts: SmartQueryParts,
  channel: UnitsChannel | TransactionChannel,
  heading: Heading,
  more: object,
): Promise<SnapshotTexts> {
  const unseen = { ...more, unseen: 'replica' };
  if (channel.kind === 'transaction') {
    const status = await readTransactionStatus(parts, channel.id);
    const isUnseen = status?.unseen !== undefined;
    const json = JSON.stringify(status ?? null);
    return { texts: [stateMessage('snapshot', heading, json, isUnseen ? unseen : more)], isUnseen };
  }
  const { obsUnitId } = channel;
  const filter = obsUnitId === undefined ? {} : { obsUnitId };
  const { records, unseen: notSeen } = await listExecutedObsUnits(parts, {
    filter,
    limit: snapshotLimit,
  }).catch(withoutReplica);
  const isUnseen = notSeen.length > 0;
  if (!isUnseen) return { texts: listMessages(heading, records, more), isUnseen };
  const whole = await wholeInBuffer(
    parts,
    records.map(({ id }) => id),
  );
  const shown = records.filter(({ id }) => whole.has(id));
  return { texts: listMessages(heading, shown, unseen), isUnseen };
}
