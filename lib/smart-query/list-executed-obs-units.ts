/**
 * Lists of executed units, newest first, in pages: filter, order and limit after the merge. A look reads a bounded part of each
 * source; what it shows ends where the first source was cut. A page takes several looks if few of what they find match.
 */
import {
  findOverlaid,
  overlaidWithin,
  readOverlay,
  type Overlay,
  type OverlaidSlice,
} from '../buffer/overlay.ts';
import { ReplicaUnavailable } from '../replication/errors.ts';
import type { Included } from '../observation/operations.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { UnitFilter } from '../observation/filter.ts';
import { databaseInstant, sortKeyOf } from '../values/database-instant.ts';
import { millisecondsOf, parseInstant } from '../values/instant.ts';
import { readExecutedObsUnits } from './executed-obs-units.ts';
import { selectionOf, type Look } from './list-statement.ts';
import { merge } from './merge.ts';
import { compareKeys, keyOfMillisecond, keyOfRow, lastMillisecondAfter, type PageKey } from './page-key.ts';
import { readPlannedUnits, type PlannedUnits } from './planned-units.ts';
import { executedObsUnitsOf } from './records.ts';
import { readSnapshot, type Seen, type SmartQueryParts } from './snapshot.ts';
import type { Unseen } from './unseen.ts';

export type { PageKey } from './page-key.ts';

export interface UnitsPage {
  readonly records: readonly ExecutedObsUnit[];
  /** absent on the last page */
  readonly next?: PageKey;
  readonly unseen: readonly Unseen[];
}

export interface UnitsRequest {
  readonly filter: UnitFilter;
  readonly limit: number;
  readonly after?: PageKey;
  readonly include?: readonly Included[];
}

/** A page that is as large or has taken as long ends early, with a next one: an answer has 6 MB at most, and 30 s. */
const mostPageBytes = 5 * 1024 * 1024;
const longestMilliseconds = 3000;

/** Buffered records that one page looks at, in several looks if few of them match; then it ends early, with a next one. */
const lookedAtMost = 10_000;
const lookedAtOnce = 1000;

/**
 * With every replica away the page holds what the buffer knows, and says so. An empty page would say that nothing is there.
 * @throws ReplicaUnavailable if Redis does not answer, or no replica does and the buffer knows nothing that matches; StatementTooSlow
 */
export async function listExecutedObsUnits(
  parts: SmartQueryParts,
  { filter, limit, after, include = [] }: UnitsRequest,
): Promise<UnitsPage> {
  const began = performance.now();
  const named = readPlannedUnits(parts.replicas, filter);
  const records: ExecutedObsUnit[] = [];
  const unseen = new Set<Unseen>();
  let end = after;
  let looked = 0;
  let bytes = 0;
  for (let count = limit + 1; looked < lookedAtMost; count = Math.min(2 * count, lookedAtOnce)) {
    const look = { filter, limit: limit - records.length, after: end, count };
    const slice = await readSlice(parts, look, named, include);
    for (const each of slice.unseen) unseen.add(each);
    for (const record of slice.records) {
      bytes += Buffer.byteLength(JSON.stringify(record));
      const last = records.at(-1);
      if (last && bytes > mostPageBytes) return { records, next: keyOf(last), unseen: [...unseen] };
      records.push(record);
    }
    end = slice.next;
    looked += count;
    if (end === undefined || records.length === limit) break;
    if (performance.now() - began > longestMilliseconds) break;
  }
  if (records.length === 0 && unseen.has('replica')) throw new ReplicaUnavailable();
  return { records, ...(end && { next: end }), unseen: [...unseen] };
}

/** A part of a page: as far as every source of one look reaches. */
async function readSlice(
  parts: SmartQueryParts,
  look: Omit<Look, 'planned'>,
  named: Promise<PlannedUnits | undefined>,
  include: readonly Included[],
): Promise<UnitsPage> {
  const asked = Promise.all([readOverlaySlice(parts, look), named]).then(([slice, planned]) => ({
    ...slice,
    planned,
  }));
  const seen = await readSnapshot(parts, asked, include, (overlay) =>
    selectionOf({ ...look, planned: overlay.planned }, overlay),
  );
  const overlay = await asked;
  const merged = executedObsUnitsOf(merge(seen.snapshot, overlay.entries), include);
  const renewed = await renew(parts, merged, seen, overlay, include);
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

type OverlaySlice = Overlay & OverlaidSlice;

/** Of a Date: nothing that is buffered started before it. */
const firstMillisecond = -8.64e15;

async function readOverlaySlice(
  parts: SmartQueryParts,
  { filter, after, count }: Pick<Look, 'filter' | 'after' | 'count'>,
): Promise<OverlaySlice> {
  const from = filter.from === undefined ? undefined : millisecondsWithin(filter.from);
  const ends = [
    ...(filter.to === undefined ? [] : [millisecondsWithin(filter.to)]),
    ...(after === undefined ? [] : [lastMillisecondAfter(after)]),
  ].filter((each) => each < Infinity);
  // whose start the site does not know matters for a status alone: every other row is looked up by its id once it is found
  const unknownAtMost = filter.status === undefined ? 0 : 1000;
  const { aggregates, ...slice } = await overlaidWithin(parts, {
    ...(filter.obsUnitId !== undefined && { obsUnitId: filter.obsUnitId }),
    ...(from !== undefined && { from }),
    ...(ends.length > 0 && { to: Math.max(firstMillisecond, Math.min(...ends)) }),
    count,
    unknownAtMost,
  });
  const { entries, floor } =
    aggregates.length === 0 ? { entries: [], floor: slice.floor } : await readOverlay(parts, aggregates);
  return { ...slice, aggregates, entries, floor };
}

function millisecondsWithin(instant: string): number {
  const within = parseInstant(instant)?.instant;
  return within === undefined ? Infinity : millisecondsOf(within);
}

/**
 * Others may change the planned unit and the start of a row, and the index of the overlay knows the first ones alone. So the
 * overlay of every record that was found is looked up by its id, and those that have one are read again, rows after overlay. So
 * are all of them if something was cleaned that the snapshot may not contain.
 */
async function renew(
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

/** Everything from this key on was looked at; undefined: everything there is. */
function frontierOf({ completeFrom }: OverlaySlice, { cuts }: Seen): PageKey | undefined {
  return [...cuts.map(keyOfRow), ...(completeFrom === undefined ? [] : [keyOfMillisecond(completeFrom)])]
    .sort(compareKeys)
    .at(-1);
}

function keyOf({ start_time, id }: ExecutedObsUnit): PageKey {
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
