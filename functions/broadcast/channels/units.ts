import type { ChannelOf } from '../../../lib/channels/channels.ts';
import { listMessages, recordJson } from '../../../lib/channels/protocol.ts';
import type { FeedEntry } from '../../../lib/channels/read.ts';
import { ReplicaUnavailable } from '../../../lib/replication/errors.ts';
import { listExecutedObsUnits, type UnitsPage } from '../../../lib/smart-query/list-executed-obs-units.ts';
import { deferredRecord } from '../deferred.ts';
import { readUnits, completeInBuffer, type UnitsRead } from './read-units.ts';
import type { EventReader, Update } from './reader.ts';

type UnitsChannel = ChannelOf<'units'>;

/** A snapshot contains the newest units, at most this many. */
const snapshotLimit = 100;

export const units: EventReader<UnitsChannel> = {
  concernsAll: (entries) => entries.some(({ change }) => change === 'reset'),

  read: async (parts, entries, channels) => {
    const ids = channels.length === 0 ? [] : [...new Set(entries.flatMap(unitOf))];
    if (ids.length === 0) return { of: () => undefined, deferred: [] };
    const seen = await readUnits(parts, ids);
    return {
      of: (entry, channel) => updateOf(entry, channel, seen),
      deferred: [...seen.unknown].map(deferredRecord),
    };
  },

  snapshot: async (parts, { value: obsUnitId }) => {
    const filter = obsUnitId === undefined ? {} : { obsUnitId };
    const { records, unseen } = await listExecutedObsUnits(parts, { filter, limit: snapshotLimit }).catch(
      withoutReplica,
    );
    const isUnseen = unseen.length > 0;
    const ids = records.map(({ id }) => id);
    const whole = isUnseen ? await completeInBuffer(parts, ids) : new Set(ids);
    const shown = records.filter(({ id }) => whole.has(id));
    return { texts: (heading, more) => listMessages(heading, shown, more), isUnseen };
  },
};

/** An aggregate of another table is none of these records. */
function unitOf({ record, table }: FeedEntry): string[] {
  return record === undefined || table !== undefined ? [] : [record];
}

function updateOf(
  entry: FeedEntry,
  { value }: UnitsChannel,
  { records, unknown }: UnitsRead,
): Update | undefined {
  const { change, transaction, obsUnitId, left } = entry;
  const [record] = unitOf(entry);
  if (record === undefined || unknown.has(record)) return undefined;
  const unit = records.get(record);
  const about = { record, ...(transaction !== undefined && { transaction_id: transaction }) };
  const isIn = value === undefined || unit?.obs_unit_id === value;
  if (unit ? isIn : value === undefined) return { json: recordJson(unit), about: { change, ...about } };
  // it now belongs to another planned unit, or was deleted
  const hasLeft = value === left || value === obsUnitId;
  return hasLeft ? { json: recordJson(undefined), about: { change: 'left', ...about } } : undefined;
}

/** Without a replica and buffered units, the snapshot is empty and marked as incomplete. */
function withoutReplica(error: unknown): UnitsPage {
  if (error instanceof ReplicaUnavailable) return { records: [], unseen: ['replica'] };
  throw error;
}
