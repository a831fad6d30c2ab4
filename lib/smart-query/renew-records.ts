import { findOverlaid } from '../buffer/overlay.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { Included } from '../observation/operations.ts';
import { readExecutedObsUnits } from './executed-obs-units.ts';
import type { OverlaySlice } from './overlay-slice.ts';
import type { Seen, SmartQueryParts } from './snapshot.ts';
import type { Unseen } from './unseen.ts';

/**
 * Others may change the planned unit and the start of a row, and the index of the overlay knows the first ones alone. So the
 * overlay of every record that was found is looked up by its id, and those that have one are read again, rows after overlay. So
 * are all of them if something was cleaned that the snapshot may not contain.
 */
export async function renewRecords(
  { redis, keys, replicas }: SmartQueryParts,
  merged: readonly ExecutedObsUnit[],
  { snapshot, position }: Seen,
  overlay: OverlaySlice,
  include: readonly Included[],
): Promise<{ readonly records: readonly ExecutedObsUnit[]; readonly unseen: readonly Unseen[] }> {
  const known = new Set(overlay.aggregates);
  const [first, ...others] = merged.filter(({ id }) => !known.has(id)).map(({ id }) => id);
  if (overlay.isAll || first === undefined || snapshot.unseen) return { records: merged, unseen: [] };
  const { overlaid, floor } = await findOverlaid({ redis, keys }, [first, ...others]);
  const again = position === undefined || position < floor ? [first, ...others] : overlaid;
  if (again.length === 0) return { records: merged, unseen: [] };
  const { records, unseen } = await readExecutedObsUnits({ redis, keys, replicas }, again, include);
  const isOld = new Set(again);
  return { records: [...merged.filter(({ id }) => !isOld.has(id)), ...records.values()], unseen };
}
