/** Lists of executed units, newest first, in pages: filter, order and limit after the merge. */
import * as z from 'zod/mini';
import { overlaidWithin, readOverlay, type Overlay, type OverlaidSlice } from '../buffer/overlay.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { UnitFilter } from '../observation/filter.ts';
import { noFloor, readFromReplica } from '../replication/replicas.ts';
import { merge } from './merge.ts';
import { executedObsUnitsOf, type Included } from './records.ts';
import { readSnapshot, type Selection, type SmartQueryParts } from './snapshot.ts';

/** Where a page ended: the next one holds what comes after it. */
export interface PageKey {
  /** ISO 8601 */
  readonly start: string;
  readonly id: string;
}

export interface UnitsPage {
  readonly records: readonly ExecutedObsUnit[];
  /** absent on the last page */
  readonly next?: PageKey;
}

export interface UnitsRequest {
  readonly filter: UnitFilter;
  readonly limit: number;
  readonly after?: PageKey;
  readonly include?: readonly Included[];
}

/** Buffered records that one page looks at, in several looks if few of them match; then it ends early, with a next one. */
const overlaidAtMost = 10_000;
const overlaidAtOnce = 1000;
const leastId = '00000000-0000-0000-0000-000000000000';

/** @throws Unavailable */
export async function listExecutedObsUnits(
  parts: SmartQueryParts,
  { filter, limit, after, include = [] }: UnitsRequest,
): Promise<UnitsPage> {
  const units = await plannedUnitsOf(parts, filter);
  const records: ExecutedObsUnit[] = [];
  let end = after;
  let looked = 0;
  for (let count = limit + 1; looked < overlaidAtMost; count = Math.min(2 * count, overlaidAtOnce)) {
    const look = { filter, units, limit: limit - records.length, after: end, include, count };
    const slice = await readSlice(parts, look);
    records.push(...slice.records);
    end = slice.next;
    looked += count;
    if (end === undefined || records.length === limit) break;
  }
  return { records, ...(end && { next: end }) };
}

/** A part of a page: as far as one look into the overlay reaches. */
interface Look {
  readonly filter: UnitFilter;
  /** planned units that match; undefined: all do */
  readonly units: ReadonlySet<number> | undefined;
  readonly limit: number;
  readonly after: PageKey | undefined;
  readonly include: readonly Included[];
  /** of buffered records that are looked at */
  readonly count: number;
}

async function readSlice(parts: SmartQueryParts, look: Look): Promise<UnitsPage> {
  const { limit, after, include } = look;
  const asked = readOverlaySlice(parts, look);
  const snapshot = await readSnapshot(parts, asked, include, (overlay) => selectionOf(look, overlay));
  const { entries, completeFrom } = await asked;
  const found = executedObsUnitsOf(merge(snapshot, entries), include)
    .filter((record) => matches(record, look) && isBetween(record, after, completeFrom))
    .sort((a, b) => compareKeys(keyOf(b), keyOf(a)));
  const records = found.slice(0, limit);
  const last = records.at(-1);
  if (found.length > limit && last) return { records, next: keyOf(last) };
  if (completeFrom === undefined) return { records };
  return { records, next: { start: new Date(completeFrom).toISOString(), id: leastId } };
}

type OverlaySlice = Overlay & Pick<OverlaidSlice, 'completeFrom'>;

async function readOverlaySlice(
  { redis, keys }: SmartQueryParts,
  { filter, after, count }: Look,
): Promise<OverlaySlice> {
  const to = after?.start ?? filter.to;
  const { aggregates, completeFrom, floor } = await overlaidWithin(redis, keys, {
    ...(filter.obsUnitId !== undefined && { obsUnitId: filter.obsUnitId }),
    ...(filter.from !== undefined && { from: Date.parse(filter.from) }),
    ...(to !== undefined && { to: Date.parse(to) }),
    count,
  });
  const overlay =
    aggregates.length === 0 ? { aggregates, entries: [], floor } : await readOverlay(redis, keys, aggregates);
  return { ...overlay, ...(completeFrom !== undefined && { completeFrom }) };
}

function keyOf({ start_time, id }: ExecutedObsUnit): PageKey {
  return { start: start_time ?? '', id };
}

/** In the order of Postgres: instants to the microsecond, then ids. */
function compareKeys(a: PageKey, b: PageKey): number {
  const [left, right] = [`${toMicroseconds(a.start)} ${a.id}`, `${toMicroseconds(b.start)} ${b.id}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

function toMicroseconds(instant: string): string {
  return instant.length === 24 ? `${instant.slice(0, -1)}000Z` : instant;
}

function isBetween(
  record: ExecutedObsUnit,
  after: PageKey | undefined,
  completeFrom: number | undefined,
): boolean {
  if (after && compareKeys(keyOf(record), after) >= 0) return false;
  return completeFrom === undefined || Date.parse(record.start_time ?? '') >= completeFrom;
}

function matches(record: ExecutedObsUnit, { filter, units }: Look): boolean {
  const { start_time, obs_unit_id, status } = record;
  if (start_time === null || obs_unit_id === null) return false;
  const start = Date.parse(start_time);
  return (
    (filter.obsUnitId === undefined || obs_unit_id === filter.obsUnitId) &&
    (filter.status === undefined || status === filter.status) &&
    (filter.from === undefined || start >= Date.parse(filter.from)) &&
    (filter.to === undefined || start < Date.parse(filter.to)) &&
    (units === undefined || units.has(obs_unit_id))
  );
}

/**
 * The overlay can take away at most as many rows as it names, so that so many more make the merged page whole; and what it
 * names comes whatever the filter says of the row.
 */
function selectionOf({ filter, units, limit, after }: Look, overlay: OverlaySlice): Selection {
  const from = [filter.from, instant(overlay.completeFrom)]
    .filter((each) => each !== undefined)
    .sort()
    .at(-1);
  return {
    name: 'list-executed-obs-units',
    rows: `
      select e.* from executed_obs_unit e
      where ($6::integer is null or e.obs_unit_id = $6) and ($7::text is null or e.status = $7)
        and ($8::timestamptz is null or e.start_time >= $8) and ($9::timestamptz is null or e.start_time < $9)
        and ($10::timestamptz is null or (e.start_time, e.id) < ($10, $11::uuid))
        and ($12::integer[] is null or e.obs_unit_id = any ($12))
      order by e.start_time desc, e.id desc limit $13`,
    parked: `($6::integer is null or i.obs_unit_id = $6)
      and ($8::timestamptz is null or i.start_time >= $8) and ($9::timestamptz is null or i.start_time < $9)
      and ($10::timestamptz is null or i.start_time <= $10)`,
    values: [
      filter.obsUnitId ?? null,
      filter.status ?? null,
      from ?? null,
      filter.to ?? null,
      after?.start ?? null,
      after?.id ?? null,
      units ? [...units] : null,
      limit + 1 + overlay.aggregates.length,
    ],
  };
}

function instant(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();
}

/** Planned units by program, source and instrument; undefined if none of them is asked for. */
async function plannedUnitsOf(
  { replicas }: SmartQueryParts,
  { program, source, instrument }: UnitFilter,
): Promise<ReadonlySet<number> | undefined> {
  if ([program, source, instrument].every((each) => each === undefined)) return undefined;
  return readFromReplica(replicas, noFloor, async (database) => {
    const { rows } = await database.query({
      name: 'planned-units',
      text: `
        select u.id from obs_unit u
          join observing_program p on p.id = u.observing_program_id
          join source s on s.id = u.source_id
          join instrument i on i.id = u.instrument_id
        where ($1::text is null or p.short_name = $1) and ($2::text is null or s.name = $2)
          and ($3::text is null or i.name = $3)`,
      values: [program ?? null, source ?? null, instrument ?? null],
    });
    return new Set(plannedUnits.parse(rows).map(({ id }) => id));
  });
}

const plannedUnits = z.array(z.object({ id: z.int() }));
