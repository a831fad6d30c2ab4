/** Lists of executed units, newest first, in pages: filter, order and limit after the merge. */
import * as z from 'zod/mini';
import { overlaidWithin, readOverlay, type Overlay, type OverlaidSlice } from '../buffer/overlay.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import { Unavailable } from '../errors.ts';
import type { UnitFilter } from '../observation/filter.ts';
import { noFloor, readFromReplica } from '../replication/replicas.ts';
import { merge } from './merge.ts';
import { executedObsUnitsOf, type Included } from './records.ts';
import { firstParameter, readSnapshot, type Selection, type SmartQueryParts } from './snapshot.ts';
import type { Unseen } from './unseen.ts';

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
  readonly unseen: readonly Unseen[];
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

/**
 * With every replica away the page holds what the buffer knows, and says so. An empty page would say that nothing is there.
 * @throws Unavailable if Redis does not answer, or no replica does and the buffer knows nothing that matches
 */
export async function listExecutedObsUnits(
  parts: SmartQueryParts,
  { filter, limit, after, include = [] }: UnitsRequest,
): Promise<UnitsPage> {
  const units = await plannedUnitsOf(parts, filter);
  const records: ExecutedObsUnit[] = [];
  const unseen = new Set<Unseen>();
  let end = after;
  let looked = 0;
  for (let count = limit + 1; looked < overlaidAtMost; count = Math.min(2 * count, overlaidAtOnce)) {
    const look = { filter, units, limit: limit - records.length, after: end, include, count };
    const slice = await readSlice(parts, look);
    records.push(...slice.records);
    for (const each of slice.unseen) unseen.add(each);
    end = slice.next;
    looked += count;
    if (end === undefined || records.length === limit) break;
  }
  if (records.length === 0 && unseen.has('replica')) throw new Unavailable('replica');
  return { records, ...(end && { next: end }), unseen: [...unseen] };
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
  const unseen = snapshot.unseen ? [snapshot.unseen] : [];
  if (found.length > limit && last) return { records, next: keyOf(last), unseen };
  if (completeFrom === undefined) return { records, unseen };
  return { records, unseen, next: { start: new Date(completeFrom).toISOString(), id: leastId } };
}

type OverlaySlice = Overlay & Pick<OverlaidSlice, 'completeFrom'>;

async function readOverlaySlice(
  { redis, keys }: SmartQueryParts,
  { filter, after, count }: Look,
): Promise<OverlaySlice> {
  // a page that ended with a look, and not with a record, has shown all that started in that millisecond
  const to = after && (after.id === leastId ? Date.parse(after.start) - 1 : Date.parse(after.start));
  const { aggregates, completeFrom, floor } = await overlaidWithin(redis, keys, {
    ...(filter.obsUnitId !== undefined && { obsUnitId: filter.obsUnitId }),
    ...(filter.from !== undefined && { from: Date.parse(filter.from) }),
    ...(filter.to !== undefined && { to: Date.parse(filter.to) }),
    ...(to !== undefined && { to }),
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
 * names comes whatever the filter says of the row. A statement has the conditions that are asked for and no others, so that
 * its plan fits them.
 */
function selectionOf({ filter, units, limit, after }: Look, overlay: OverlaySlice): Selection {
  const from = [filter.from, instant(overlay.completeFrom)]
    .filter((each) => each !== undefined)
    .sort()
    .at(-1);
  const given = [
    { name: 'unit', value: filter.obsUnitId, row: 'e.obs_unit_id = ?::integer', parked: 'i.obs_unit_id = ?' },
    { name: 'status', value: filter.status, row: 'e.status = ?::text' },
    { name: 'from', value: from, row: 'e.start_time >= ?::timestamptz', parked: 'i.start_time >= ?' },
    { name: 'to', value: filter.to, row: 'e.start_time < ?::timestamptz', parked: 'i.start_time < ?' },
    { name: 'units', value: units && [...units], row: 'e.obs_unit_id = any (?::integer[])' },
    {
      name: 'start',
      value: after?.start,
      row: 'e.start_time <= ?::timestamptz',
      parked: 'i.start_time <= ?',
    },
    { name: 'limit', value: limit + 1 + overlay.aggregates.length },
  ].filter(({ value }) => value !== undefined);
  const values = [...given.map(({ value }) => value), ...(after ? [after.start, after.id] : [])];
  const number = (index: number) => `$${firstParameter + index}`;
  const conditions = (kind: 'row' | 'parked') =>
    given.flatMap((each, index) => each[kind]?.replace('?', number(index)) ?? []);
  const key =
    after &&
    `(e.start_time, e.id) < (${number(given.length)}::timestamptz, ${number(given.length + 1)}::uuid)`;
  const where = [...conditions('row'), ...(key === undefined ? [] : [key])];
  return {
    name: ['list', ...given.map(({ name }) => name)].join('-'),
    rows: `
      select e.* from executed_obs_unit e ${where.length > 0 ? `where ${where.join(' and ')}` : ''}
      order by e.start_time desc, e.id desc limit ${number(given.length - 1)}`,
    parked: conditions('parked').join(' and ') || 'true',
    values,
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
