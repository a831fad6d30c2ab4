/** Which executed units a listing asks for. */
import * as z from 'zod/mini';
import { boundedInteger } from '../http/page.ts';
import { isCalendarDay } from '../values/instant.ts';
import { finalStatuses, timestamp } from './executed-obs-unit.ts';

/** `YYYY-MM-DD`, as which `YYYYMMDD` is read too. */
const day = z.pipe(
  z.pipe(
    z.string(),
    z.transform((text) => text.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3')),
  ),
  z.string().check(z.refine(isCalendarDay, 'must be a day of the calendar, as 2026-10-01 or 20261001')),
);
/** A comma will part several names. */
const name = z
  .string()
  .check(z.minLength(1), z.maxLength(200), z.regex(/^[^,]*$/, 'must be one name, without a comma'));

export const listQuery = z.strictObject({
  obs_unit_id: z.optional(boundedInteger(1, 2_147_483_647)),
  /** short name */
  program: z.optional(name),
  source: z.optional(name),
  instrument: z.optional(name),
  status: z.optional(z.enum(['running', ...finalStatuses])),
  /** inclusive */
  started_after: z.optional(timestamp),
  /** exclusive */
  started_before: z.optional(timestamp),
  /** the night that began on this day: from noon to noon, UTC */
  day_obs: z.optional(day),
  limit: z._default(boundedInteger(1, 1000), 100),
  cursor: z.optional(z.string()),
});

export interface UnitFilter {
  readonly obsUnitId?: number;
  readonly program?: string;
  readonly source?: string;
  readonly instrument?: string;
  readonly status?: string;
  /** ISO 8601; from, inclusive */
  readonly from?: string;
  /** ISO 8601; to, exclusive */
  readonly to?: string;
}

export function filterOf(query: z.infer<typeof listQuery>): UnitFilter {
  const { obs_unit_id, program, source, instrument, status, started_after, started_before, day_obs } = query;
  const night = day_obs === undefined ? [] : nightOf(day_obs);
  const from = latest(started_after, night[0]);
  const to = earliest(started_before, night[1]);
  return {
    ...(obs_unit_id !== undefined && { obsUnitId: obs_unit_id }),
    ...(program !== undefined && { program }),
    ...(source !== undefined && { source }),
    ...(instrument !== undefined && { instrument }),
    ...(status !== undefined && { status }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
}

function nightOf(dayObs: string): [string, string] {
  const noon = Date.parse(`${dayObs}T12:00:00Z`);
  return [noon, noon + 24 * 3600 * 1000].map((time) => new Date(time).toISOString()) as [string, string];
}

function latest(a: string | undefined, b: string | undefined): string | undefined {
  return a !== undefined && b !== undefined ? (Date.parse(a) > Date.parse(b) ? a : b) : (a ?? b);
}

function earliest(a: string | undefined, b: string | undefined): string | undefined {
  return a !== undefined && b !== undefined ? (Date.parse(a) < Date.parse(b) ? a : b) : (a ?? b);
}
