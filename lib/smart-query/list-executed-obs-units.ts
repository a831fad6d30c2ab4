/** Lists of executed units, newest first, in pages: filter, order and limit after the merge. */
import * as z from 'zod/mini';
import { overlaidByStart, readOverlay, type Overlay, type OverlaidSlice } from '../buffer/overlay.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { UnitFilter } from '../observation/filter.ts';
import type { Database } from '../postgres/connect.ts';
import { readInboxRow, type InboxRow } from '../postgres/inbox.ts';
import { readFromReplica } from '../replication/replicas.ts';
import type { SmartQueryParts } from './executed-obs-units.ts';
import { mergeExecutedObsUnits, type Row } from './merge.ts';

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

/** Buffered records that are looked at together; a page that needs more of them takes several looks. */
const overlaidAtOnce = 500;
const looks = 20;
const leastId = '00000000-0000-0000-0000-000000000000';

/** @throws Unavailable */
export async function listExecutedObsUnits(
  parts: SmartQueryParts,
  filter: UnitFilter,
  limit: number,
  after?: PageKey,
): Promise<UnitsPage> {
  const records: ExecutedObsUnit[] = [];
  let end = after;
  for (let look = 0; look < looks && records.length < limit; look += 1) {
    const slice = await readSlice(parts, filter, limit - records.length, end);
    records.push(...slice.records);
    end = slice.next;
    if (end === undefined) return { records };
  }
  return { records, ...(end && { next: end }) };
}

async function readSlice(
  parts: SmartQueryParts,
  filter: UnitFilter,
  limit: number,
  after: PageKey | undefined,
): Promise<UnitsPage> {
  const to = after?.start ?? filter.to;
  const overlaid = await overlaidByStart(parts.redis, parts.keys, {
    ...(filter.from !== undefined && { from: Date.parse(filter.from) }),
    ...(to !== undefined && { to: Date.parse(to) }),
    count: overlaidAtOnce,
  });
  const overlay = await readOverlay(parts.redis, parts.keys, overlaid.aggregates);
  const { rows, inbox, units } = await readFromReplica(parts.replicas, overlay.floor, (database) =>
    select(database, { filter, limit, after, overlaid, overlay }),
  );
  const found = [...mergeExecutedObsUnits(rows, overlay.entries, inbox).values()]
    .filter((record) => matches(record, filter, units) && isBetween(record, after, overlaid.completeFrom))
    .sort((a, b) => compareKeys(keyOf(b), keyOf(a)));
  const records = found.slice(0, limit);
  const last = records.at(-1);
  if (found.length > limit && last) return { records, next: keyOf(last) };
  if (overlaid.completeFrom === undefined) return { records };
  return { records, next: { start: new Date(overlaid.completeFrom).toISOString(), id: leastId } };
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

function matches(
  record: ExecutedObsUnit,
  filter: UnitFilter,
  units: ReadonlySet<number> | undefined,
): boolean {
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

interface Selection {
  readonly filter: UnitFilter;
  readonly limit: number;
  readonly after: PageKey | undefined;
  readonly overlaid: OverlaidSlice;
  readonly overlay: Overlay;
}

interface Selected {
  readonly rows: readonly Row[];
  readonly inbox: readonly InboxRow[];
  /** planned units that match; undefined: all do */
  readonly units: ReadonlySet<number> | undefined;
}

const answer = z.object({
  rows: z.array(z.looseObject({ id: z.string() })),
  inbox: z.array(z.unknown()),
  units: z.nullable(z.array(z.int())),
});

/**
 * Rows and inbox in one statement. The overlay can take away at most as many rows as it names, so that so many more make the
 * merged page whole; and what it names comes whatever the filter says of the row.
 */
async function select(
  database: Database,
  { filter, limit, after, overlaid, overlay }: Selection,
): Promise<Selected> {
  const from = [filter.from, instant(overlaid.completeFrom)]
    .filter((each) => each !== undefined)
    .sort()
    .at(-1);
  const { rows } = await database.query({
    name: 'list-executed-obs-units',
    text: `
      with matching as materialized (
        select u.id from obs_unit u
          join observing_program p on p.id = u.observing_program_id
          join source s on s.id = u.source_id
          join instrument i on i.id = u.instrument_id
        where ($1::text is null or p.short_name = $1) and ($2::text is null or s.name = $2)
          and ($3::text is null or i.name = $3)
      ), found as (
        (select e.* from executed_obs_unit e
          where ($4::integer is null or e.obs_unit_id = $4) and ($5::text is null or e.status = $5)
            and ($6::timestamptz is null or e.start_time >= $6) and ($7::timestamptz is null or e.start_time < $7)
            and ($8::timestamptz is null or (e.start_time, e.id) < ($8, $9::uuid))
            and (coalesce($1, $2, $3) is null or e.obs_unit_id in (select id from matching))
          order by e.start_time desc, e.id desc limit $10)
        union
        select e.* from executed_obs_unit e where e.id = any ($11::uuid[])
      )
      select
        coalesce((select jsonb_agg(to_jsonb(f)) from found f), '[]') as rows,
        coalesce((select jsonb_agg(to_jsonb(i)) from inbox i
          where i.transaction_id = any ($12::uuid[])
            or i.outcome = 'parked' and (i.aggregate_id = any ($11::uuid[]) or i.aggregate_id in (select id from found)
              or ($4::integer is null or i.obs_unit_id = $4)
                and ($6::timestamptz is null or i.start_time >= $6) and ($7::timestamptz is null or i.start_time < $7)
                and ($8::timestamptz is null or i.start_time <= $8))), '[]') as inbox,
        case when coalesce($1, $2, $3) is not null then (select jsonb_agg(id) from matching) end as units`,
    values: [
      filter.program ?? null,
      filter.source ?? null,
      filter.instrument ?? null,
      filter.obsUnitId ?? null,
      filter.status ?? null,
      from ?? null,
      filter.to ?? null,
      after?.start ?? null,
      after?.id ?? null,
      limit + 1 + overlaid.aggregates.length,
      overlaid.aggregates,
      overlay.entries.map((entry) => entry.transaction.id),
    ],
  });
  const { rows: records, inbox, units } = answer.parse(rows[0]);
  const isFiltered = [filter.program, filter.source, filter.instrument].some((each) => each !== undefined);
  return {
    rows: records,
    inbox: inbox.map(readInboxRow),
    units: isFiltered ? new Set(units ?? []) : undefined,
  };
}

function instant(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();
}
