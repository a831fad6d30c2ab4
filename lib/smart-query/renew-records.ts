import { findOverlaid } from '../buffer/overlay.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { Included } from '../observation/operations.ts';
import { readExecutedObsUnits } from './executed-obs-units.ts';
import type { OverlaySlice } from './overlay-slice.ts';
import type { ReplicaRead, SmartQueryParts } from './snapshot.ts';
import type { Unseen } from './unseen.ts';

/**
 * Reads again the records whose overlay the index did not find. The index files a record under its first planned unit and start,
 * which plain SQL may change since. So the overlay of every record is looked up by id, and records that have one are read again,
 * overlay before rows. All records are read again if the buffer was cleaned beyond the position of the snapshot.
 */
export async function renewRecords(
  { redis, keys, replicas }: SmartQueryParts,
  merged: readonly ExecutedObsUnit[],
  { snapshot, position }: ReplicaRead,
  overlay: OverlaySlice,
  include: readonly Included[],
): Promise<{ readonly records: readonly ExecutedObsUnit[]; readonly unseen: readonly Unseen[] }> {
  const known = new Set(overlay.aggregates);
  const [first, ...others] = merged.filter(({ id }) => !known.has(id)).map(({ id }) => id);
  if (overlay.isComplete || first === undefined || snapshot.unseen) return { records: merged, unseen: [] };
  const { overlaid, floor } = await findOverlaid({ redis, keys }, [first, ...others]);
  const again = position === undefined || position < floor ? [first, ...others] : overlaid;
  if (again.length === 0) return { records: merged, unseen: [] };
  const { records, unseen } = await readExecutedObsUnits({ redis, keys, replicas }, again, include);
  const replaced = new Set(again);
  return { records: [...merged.filter(({ id }) => !replaced.has(id)), ...records.values()], unseen };
}
