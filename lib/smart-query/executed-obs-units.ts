/** Executed units by id: the overlay first, then rows and inbox in one statement at a replica, then the merge. */
import { readOverlay } from '../buffer/overlay.ts';
import { ReplicaUnavailable } from '../replication/errors.ts';
import type { Included } from '../observation/operations.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import { merge } from './merge.ts';
import { executedObsUnitsOf } from './records.ts';
import { readSnapshot, type SmartQueryParts } from './snapshot.ts';
import type { Unseen } from './unseen.ts';

/**
 * @returns undefined if the executed unit does not exist
 * @throws ReplicaUnavailable if no replica answers and the buffer does not contain the unit
 */
export async function readExecutedObsUnit(
  parts: SmartQueryParts,
  id: string,
  include: readonly Included[] = [],
): Promise<ExecutedObsUnit | undefined> {
  const { records, unseen } = await readExecutedObsUnits(parts, [id], include);
  const record = records.get(id);
  if (!record && unseen.length > 0) throw new ReplicaUnavailable();
  return record;
}

export interface ReadUnits {
  readonly records: ReadonlyMap<string, ExecutedObsUnit>;
  /** if it contains `replica`, an id missing from `records` is unknown rather than absent, and records may be out of date */
  readonly unseen: readonly Unseen[];
}

/** Executed units by id, in one Redis round trip and one statement. */
export async function readExecutedObsUnits(
  parts: SmartQueryParts,
  ids: readonly string[],
  include: readonly Included[] = [],
): Promise<ReadUnits> {
  if (ids.length === 0) return { records: new Map(), unseen: [] };
  const overlay = readOverlay(parts, ids);
  // the requested ids are the aggregates of the overlay
  const { snapshot } = await readSnapshot(parts, overlay, include, () => byId);
  const merged = merge(snapshot, (await overlay).entries);
  return {
    records: new Map(executedObsUnitsOf(merged, include).map((record) => [record.id, record])),
    unseen: snapshot.unseen ? [snapshot.unseen] : [],
  };
}

const byId = { name: 'executed-obs-units-by-id', sources: [], values: [] };
