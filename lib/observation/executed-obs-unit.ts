/** The executed unit: what a client sends and what it gets. */
import * as z from 'zod/mini';
import { databaseInstant } from '../values/database-instant.ts';
import { dayObsOf, parseInstant, type ParsedInstant } from '../values/instant.ts';
import { largestInteger, wholeNumber } from '../values/integer.ts';
import { isJsonObject, type JsonObject } from '../values/json.ts';
import { uuid } from '../values/uuid.ts';
import type { RawDataFile, RawDataPackage } from './raw-data.ts';
import type { Sync } from './sync.ts';

/** What a plus in a query that was not encoded becomes. */
const spaceForPlus = /\d \d\d:?(?:\d\d)?$/;

/** An instant with an offset, and whether it was a leap second. */
const givenInstant = z.pipe(
  z.string(),
  z.transform((text, context): ParsedInstant => {
    const parsed = parseInstant(text);
    if (parsed) return parsed;
    context.issues.push({
      code: 'custom',
      message: spaceForPlus.test(text)
        ? 'has a space where its offset begins: write + as %2B in a query'
        : 'must be an ISO 8601 instant with an offset, in years 0001 to 9999 UTC and not finer than a microsecond, as 2026-10-01T11:10:00.000000Z',
      input: text,
    });
    return z.NEVER;
  }),
);

/** An instant with an offset, in the one spelling that is stored. */
export const timestamp = z.pipe(
  givenInstant,
  z.transform(({ instant }) => instant),
);

/** ids are Postgres integers */
export const integerId = wholeNumber(1, largestInteger);

const metadata = z
  .custom<JsonObject>(isJsonObject, 'must be an object')
  .check(
    z.refine(
      (object) => Object.keys(object).every((key) => key.length <= 200),
      'has a key longer than 200 characters',
    ),
  );

export const recordId = uuid;

export const startBody = z.strictObject({
  obs_unit_id: integerId,
  id: z.optional(recordId),
  start_time: z.optional(givenInstant),
  instrument_module_ids: z.optional(z.array(integerId).check(z.maxLength(1000))),
  metadata: z.optional(metadata),
});

export const finalStatuses = ['completed', 'aborted', 'failed'] as const;

export const finishBody = z.strictObject({
  status: z._default(z.enum(finalStatuses), 'completed'),
  end_time: z.optional(givenInstant),
  metadata: z.optional(metadata),
});

export type StartBody = z.infer<typeof startBody>;
export type FinishBody = z.infer<typeof finishBody>;
export type Status = 'running' | (typeof finalStatuses)[number];

export interface ExecutedObsUnit {
  readonly id: string;
  readonly obs_unit_id: number | null;
  readonly status: Status;
  readonly start_time: string | null;
  readonly end_time: string | null;
  /** the night that it started in, `YYYYMMDD`: the day on whose noon, UTC, the night began */
  readonly day_obs: number | null;
  /** one of its times was given as second 60, and is the second after */
  readonly leap_second?: true;
  readonly instrument_module_ids: readonly number[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly sync: Sync;
  /** if asked for */
  readonly packages?: readonly RawDataPackage[];
  readonly files?: readonly RawDataFile[];
}

/** A record as clients see it. @param values column → JSON value, as far as they are known */
export function executedObsUnitOf(
  id: string,
  values: Readonly<Record<string, unknown>>,
  sync: Sync,
): ExecutedObsUnit {
  const start = instantIn(values.start_time);
  return {
    id,
    obs_unit_id: typeof values.obs_unit_id === 'number' ? values.obs_unit_id : null,
    status: (typeof values.status === 'string' ? values.status : 'running') as Status,
    start_time: start,
    end_time: instantIn(values.end_time),
    day_obs: nightIn(start),
    ...(values.leap_second === true && { leap_second: true }),
    instrument_module_ids: Array.isArray(values.instrument_module_ids)
      ? (values.instrument_module_ids as number[])
      : [],
    metadata: isJsonObject(values.metadata) ? values.metadata : {},
    sync,
  };
}

/** As it is stored where it is not an instant of ours: another program has written it. */
function instantIn(value: unknown): string | null {
  return typeof value === 'string' ? (databaseInstant(value) ?? value) : null;
}

function nightIn(start: string | null): number | null {
  const parsed = start === null ? undefined : parseInstant(start);
  return (parsed && dayObsOf(parsed.instant)) ?? null;
}
