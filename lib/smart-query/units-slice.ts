/** One slice of a list of executed units: a bounded part of each source, merged, filtered and cut where the first source ended. */
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { Included } from '../observation/operations.ts';
import { databaseInstant, sortKeyOf } from '../values/database-instant.ts';
import { selectionOf, type SliceRequest } from './list-statement.ts';
import { merge } from './merge.ts';
import { readOverlaySlice, type OverlaySlice } from './overlay-slice.ts';
import { compareKeys, keyOfMillisecond, keyOfRow, type PageKey } from './page-key.ts';
import type { PlannedUnits } from './planned-units.ts';
import { executedObsUnitsOf } from './records.ts';
import { renewRecords } from './renew-records.ts';
import { readSnapshot, type ReplicaRead, type SmartQueryParts } from './snapshot.ts';
import type { Unseen } from './unseen.ts';

export interface UnitsSlice {
  readonly records: readonly ExecutedObsUnit[];
  /** absent on the last slice */
  readonly next?: PageKey;
  readonly unseen: readonly Unseen[];
}

/** Reads a part of a page, as far as every source reaches. */
export async function readSlice(
  parts: SmartQueryParts,
  request: Omit<SliceRequest, 'planned'>,
  named: Promise<PlannedUnits | undefined>,
  include: readonly Included[],
): Promise<UnitsSlice> {
  const pendingOverlay = Promise.all([readOverlaySlice(parts, request), named]).then(([slice, planned]) => ({
    ...slice,
    planned,
  }));
  const read = await readSnapshot(parts, pendingOverlay, include, (overlay) =>
    selectionOf({ ...request, planned: overlay.planned }, overlay),
  );
  const overlay = await pendingOverlay;
  const merged = executedObsUnitsOf(merge(read.snapshot, overlay.entries), include);
  const renewed = await renewRecords(parts, merged, read, overlay, include);
  const frontier = frontierOf(overlay, read);
  const unseen = new Set<Unseen>([
    ...(read.snapshot.unseen ? [read.snapshot.unseen] : []),
    ...renewed.unseen,
  ]);
  if (overlay.hasMoreUnknown && request.filter.status !== undefined) unseen.add('buffer');

  const candidates = renewed.records.filter(
    (record) => matches(record, request) && isWithin(record, request.after, frontier),
  );
  const decidable = candidates.filter(
    ({ obs_unit_id }) => overlay.planned === undefined || read.planned.known.has(obs_unit_id ?? 0),
  );
  if (decidable.length < candidates.length) unseen.add('planned-unit');
  const found = decidable
    .filter(({ obs_unit_id }) => overlay.planned === undefined || read.planned.matching.has(obs_unit_id ?? 0))
    .sort((a, b) => compareKeys(keyOf(b), keyOf(a)));
  const records = found.slice(0, request.limit);
  const last = records.at(-1);
  const next = found.length > request.limit && last ? keyOf(last) : frontier;
  return { records, ...(next && { next }), unseen: [...unseen] };
}

/** The slice contains every matching record from this key on; undefined if it reaches the end of the list. */
function frontierOf({ completeFrom }: OverlaySlice, { cuts }: ReplicaRead): PageKey | undefined {
  return [...cuts.map(keyOfRow), ...(completeFrom === undefined ? [] : [keyOfMillisecond(completeFrom)])]
    .sort(compareKeys)
    .at(-1);
}

export function keyOf({ start_time, id }: ExecutedObsUnit): PageKey {
  return { start: start_time ?? '', id };
}

function isWithin(
  record: ExecutedObsUnit,
  after: PageKey | undefined,
  frontier: PageKey | undefined,
): boolean {
  const key = keyOf(record);
  return (!after || compareKeys(key, after) < 0) && (!frontier || compareKeys(key, frontier) >= 0);
}

function matches(
  { start_time, obs_unit_id, status }: ExecutedObsUnit,
  { filter }: Pick<SliceRequest, 'filter'>,
): boolean {
  // a start time that main cannot cast has no place in the order, and main will refuse the transaction
  if (start_time === null || databaseInstant(start_time) === undefined || obs_unit_id === null) return false;
  const start = sortKeyOf(start_time);
  return (
    (filter.obsUnitId === undefined || obs_unit_id === filter.obsUnitId) &&
    (filter.status === undefined || status === filter.status) &&
    (filter.from === undefined || start >= sortKeyOf(filter.from)) &&
    (filter.to === undefined || start < sortKeyOf(filter.to))
  );
}
