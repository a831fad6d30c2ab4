/** One executed unit: the overlay first, then rows and inbox in one statement at a replica, then the merge. */
import { readOverlay } from '../buffer/overlay.ts';
import { ReplicaUnavailable } from '../replication/errors.ts';
import type { Included } from '../observation/operations.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import { merge } from './merge.ts';
import { executedObsUnitsOf } from './records.ts';
import { readSnapshot, type SmartQueryParts } from './snapshot.ts';
import type { Unseen } from './unseen.ts';

/**
 * One executed unit; undefined if there is none.
 * @throws ReplicaUnavailable if no replica answers and the buffer does not know it
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
  /** with `replica` in it, an id that is not among the records is unknown, not absent; a record may be older than it is */
  readonly unseen: readonly Unseen[];
}

/** Executed units by id, in one Redis round trip and one statement. */
export async function readExecutedObsUnits(
  parts: SmartQueryParts,
  ids: readonly string[],
  include: readonly Included[] = [],
): Promise<ReadUnits> {
  if (ids.length === 0) return { records: new Map(), unseen: [] };
  const asked = readOverlay(parts, ids);
  // the overlay's aggregates are the records that are asked for
  const { snapshot } = await readSnapshot(parts, asked, include, () => byId);
  const merged = merge(snapshot, (await asked).entries);
  return {
    records: new Map(executedObsUnitsOf(merged, include).map((record) => [record.id, record])),
    unseen: snapshot.unseen ? [snapshot.unseen] : [],
  };
}

const byId = { name: 'executed-obs-units-by-id', sources: [], values: [] };
