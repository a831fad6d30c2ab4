/** One look at a list of executed units: a bounded part of each source, merged, judged and cut where the first source was. */
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { Included } from '../observation/operations.ts';
import { databaseInstant, sortKeyOf } from '../values/database-instant.ts';
import { selectionOf, type Look } from './list-statement.ts';
import { merge } from './merge.ts';
import { readOverlaySlice, type OverlaySlice } from './overlay-slice.ts';
import { compareKeys, keyOfMillisecond, keyOfRow, type PageKey } from './page-key.ts';
import type { PlannedUnits } from './planned-units.ts';
import { executedObsUnitsOf } from './records.ts';
import { renewRecords } from './renew-records.ts';
import { readSnapshot, type Seen, type SmartQueryParts } from './snapshot.ts';
import type { Unseen } from './unseen.ts';

export interface UnitsSlice {
  readonly records: readonly ExecutedObsUnit[];
  /** absent if there is nothing more */
  readonly next?: PageKey;
  readonly unseen: readonly Unseen[];
}

/** A part of a page: as far as every source of one look reaches. */
export async function readSlice(
  parts: SmartQueryParts,
  look: Omit<Look, 'planned'>,
  named: Promise<PlannedUnits | undefined>,
  include: readonly Included[],
): Promise<UnitsSlice> {
  const asked = Promise.all([readOverlaySlice(parts, look), named]).then(([slice, planned]) => ({
    ...slice,
    planned,
  }));
  const seen = await readSnapshot(parts, asked, include, (overlay) =>
    selectionOf({ ...look, planned: overlay.planned }, overlay),
  );
  const overlay = await asked;
  const merged = executedObsUnitsOf(merge(seen.snapshot, overlay.entries), include);
  const renewed = await renewRecords(parts, merged, seen, overlay, include);
  const frontier = frontierOf(overlay, seen);
  const unseen = new Set<Unseen>([
    ...(seen.snapshot.unseen ? [seen.snapshot.unseen] : []),
    ...renewed.unseen,
  ]);
  if (overlay.hasMoreUnknown && look.filter.status !== undefined) unseen.add('buffer');

  const inReach = renewed.records.filter(
    (record) => matches(record, look) && isWithin(record, look.after, frontier),
  );
  const judged = inReach.filter(
    ({ obs_unit_id }) => overlay.planned === undefined || seen.planned.known.has(obs_unit_id ?? 0),
  );
  if (judged.length < inReach.length) unseen.add('planned-unit');
  const found = judged
    .filter(({ obs_unit_id }) => overlay.planned === undefined || seen.planned.matching.has(obs_unit_id ?? 0))
    .sort((a, b) => compareKeys(keyOf(b), keyOf(a)));
  const records = found.slice(0, look.limit);
  const last = records.at(-1);
  const next = found.length > look.limit && last ? keyOf(last) : frontier;
  return { records, ...(next && { next }), unseen: [...unseen] };
}

/** Everything from this key on was looked at; undefined: everything there is. */
function frontierOf({ completeFrom }: OverlaySlice, { cuts }: Seen): PageKey | undefined {
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
  { filter }: Pick<Look, 'filter'>,
): boolean {
  // a start that main cannot cast has no place in the order of time, and main is about to refuse it
  if (start_time === null || databaseInstant(start_time) === undefined || obs_unit_id === null) return false;
  const start = sortKeyOf(start_time);
  return (
    (filter.obsUnitId === undefined || obs_unit_id === filter.obsUnitId) &&
    (filter.status === undefined || status === filter.status) &&
    (filter.from === undefined || start >= sortKeyOf(filter.from)) &&
    (filter.to === undefined || start < sortKeyOf(filter.to))
  );
}
