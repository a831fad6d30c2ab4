/** Filters of lists of executed units. */
import * as z from 'zod/mini';
import { sortKeyOf } from '../values/database-instant.ts';
import { maxInteger, wholeNumberText } from '../values/integer.ts';
import { isCalendarDay, nightOf } from '../values/instant.ts';
import { finalStatuses, timestamp } from './executed-obs-unit.ts';

/** `YYYY-MM-DD` or `YYYYMMDD`. */
const day = z.pipe(
  z.pipe(
    z.string(),
    z.transform((text) => text.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3')),
  ),
  z.string().check(z.refine(isCalendarDay, 'must be a valid date such as 2026-10-01 or 20261001')),
);
/** Commas are reserved for several names. */
const name = z
  .string()
  .check(z.minLength(1), z.maxLength(200), z.regex(/^[^,]*$/, 'must be one name, without a comma'));

/** Maximum number of records on a page. */
export const maxPageSize = 1000;

export const listQuery = z.strictObject({
  obs_unit_id: z.optional(wholeNumberText(1, maxInteger)),
  /** short name */
  program: z.optional(name),
  source: z.optional(name),
  instrument: z.optional(name),
  status: z.optional(z.enum(['running', ...finalStatuses])),
  /** inclusive */
  started_after: z.optional(timestamp),
  /** exclusive */
  started_before: z.optional(timestamp),
  /** the night that began on this day, from noon to noon UTC */
  day_obs: z.optional(day),
  limit: z._default(wholeNumberText(1, maxPageSize), 100),
  cursor: z.optional(z.string()),
});

export interface UnitFilter {
  readonly obsUnitId?: number;
  readonly program?: string;
  readonly source?: string;
  readonly instrument?: string;
  readonly status?: string;
  /** as `databaseInstant` spells it; inclusive */
  readonly from?: string;
  /** as `databaseInstant` spells it; exclusive */
  readonly to?: string;
}

/** Rows inserted by plain SQL may be later than the last night, so that one needs an end. */
const endOfLastNight = '10000-01-01T12:00:00.000000Z';

export function filterOf(query: z.infer<typeof listQuery>): UnitFilter {
  const { obs_unit_id, program, source, instrument, status, started_after, started_before, day_obs } = query;
  const night = day_obs === undefined ? undefined : { to: endOfLastNight, ...nightOf(day_obs) };
  const [from] = inOrder(started_after, night?.from).reverse();
  const [to] = inOrder(started_before, night?.to);
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

function inOrder(...instants: readonly (string | undefined)[]): string[] {
  return instants.filter((each) => each !== undefined).sort((a, b) => (sortKeyOf(a) < sortKeyOf(b) ? -1 : 1));
}
