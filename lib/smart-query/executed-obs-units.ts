/** One executed unit: the overlay first, then rows and inbox in one statement at a replica, then the merge. */
import { readOverlay } from '../buffer/overlay.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import { merge } from './merge.ts';
import { executedObsUnitsOf, type Included } from './records.ts';
import { readSnapshot, type SmartQueryParts } from './snapshot.ts';

/**
 * One executed unit, or undefined.
 * @throws Unavailable
 */
export async function readExecutedObsUnit(
  parts: SmartQueryParts,
  id: string,
  include: readonly Included[] = [],
): Promise<ExecutedObsUnit | undefined> {
  return (await readExecutedObsUnits(parts, [id], include)).get(id);
}

/** Executed units by id, in one Redis round trip and one statement. */
export async function readExecutedObsUnits(
  parts: SmartQueryParts,
  ids: readonly string[],
  include: readonly Included[] = [],
): Promise<Map<string, ExecutedObsUnit>> {
  const asked = readOverlay(parts.redis, parts.keys, ids);
  // the overlay's aggregates are the records that are asked for
  const snapshot = await readSnapshot(parts, asked, include, () => byId);
  const merged = merge(snapshot, (await asked).entries);
  return new Map(executedObsUnitsOf(merged, include).map((record) => [record.id, record]));
}

const byId = {
  name: 'executed-obs-units-by-id',
  rows: 'select e.* from executed_obs_unit e where false',
  parked: 'false',
  values: [],
};
