/** The executed unit in requests and answers. */
import * as z from 'zod/mini';
import { databaseInstant } from '../values/database-instant.ts';
import { dayObsOf, parseInstant, type ParsedInstant } from '../values/instant.ts';
import { maxInteger, wholeNumber, wholeNumberText } from '../values/integer.ts';
import { isJsonObject, type JsonObject } from '../values/json.ts';
import { uuid } from '../values/uuid.ts';
import type { Of } from '../http/operation.ts';
import { rawDataFile, rawDataPackage } from './raw-data.ts';
import { sync, type Sync } from './sync.ts';

/** An offset whose plus was not percent-encoded in a query and became a space. */
const spaceForPlus = /\d \d\d:?(?:\d\d)?$/;

/** An instant with an offset, and whether it was a leap second. */
const givenInstant = z.pipe(
  z.string().check(z.meta({ format: 'date-time' })),
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

/** An instant with an offset, converted to the stored spelling. */
export const timestamp = z.pipe(
  givenInstant,
  z.transform(({ instant }) => instant),
);

/** ids are Postgres integers */
export const integerId = wholeNumber(1, maxInteger);

const metadata = z.custom<JsonObject>(isJsonObject, 'must be an object').check(
  z.meta({ type: 'object' }),
  z.refine(
    (object) => Object.keys(object).every((key) => key.length <= 200),
    'has a key longer than 200 characters',
  ),
);

export const recordId = uuid;

const plannedUnitId = wholeNumberText(1, maxInteger);

/** An executed unit by UUID, or the executed units of a planned unit by integer. */
export const unitReference = z.pipe(
  z.string(),
  z.transform((text, context): { readonly id: string } | { readonly obsUnitId: number } => {
    const planned = /^\d+$/.test(text) ? plannedUnitId.safeParse(text) : undefined;
    if (planned?.success) return { obsUnitId: planned.data };
    const executed = recordId.safeParse(text);
    if (executed.success) return { id: executed.data };
    for (const { message } of (planned ?? executed).error?.issues ?? []) {
      context.issues.push({ code: 'custom', message, input: text });
    }
    return z.NEVER;
  }),
);

export const startBody = z.strictObject({
  obs_unit_id: integerId,
  id: z.optional(recordId),
  start_time: z.optional(givenInstant),
  instrument_module_ids: z.optional(z.array(integerId).check(z.maxLength(1000))),
  metadata: z.optional(metadata),
});

export const finalStatuses = ['completed', 'aborted', 'failed'] as const;
export const statuses = ['running', ...finalStatuses] as const;

export const finishBody = z.strictObject({
  status: z._default(z.enum(finalStatuses), 'completed'),
  end_time: z.optional(givenInstant),
  metadata: z.optional(metadata),
});

export type StartBody = z.infer<typeof startBody>;
export type FinishBody = z.infer<typeof finishBody>;
export type Status = (typeof statuses)[number];

export const executedObsUnit = z
  .object({
    id: z.string(),
    obs_unit_id: z.nullable(z.number()),
    status: z.enum(statuses),
    start_time: z.nullable(z.string()),
    end_time: z.nullable(z.string()),
    day_obs: z.nullable(
      z
        .number()
        .check(
          z.describe(
            'The night in which it started, `YYYYMMDD`: the day on which the night began at noon UTC.',
          ),
        ),
    ),
    leap_second: z.optional(
      z
        .literal(true)
        .check(z.describe('One of its times was given as second 60 and stored as the following second.')),
    ),
    instrument_module_ids: z.array(z.number()),
    metadata: z.record(z.string(), z.unknown()),
    sync,
    packages: z.optional(z.array(rawDataPackage).check(z.describe('With `include=packages`.'))),
    files: z.optional(z.array(rawDataFile).check(z.describe('With `include=files`.'))),
  })
  .check(z.meta({ id: 'ExecutedObsUnit' }));

export type ExecutedObsUnit = Of<typeof executedObsUnit>;

/** The answer for a record. @param values column → JSON value, as far as known */
export function executedObsUnitOf(
  id: string,
  values: Readonly<Record<string, unknown>>,
  where: Sync,
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
    sync: where,
  };
}

/** Unchanged if it is not an instant, since other programs may have written it. */
function instantIn(value: unknown): string | null {
  return typeof value === 'string' ? (databaseInstant(value) ?? value) : null;
}

function nightIn(start: string | null): number | null {
  const parsed = start === null ? undefined : parseInstant(start);
  return (parsed && dayObsOf(parsed.instant)) ?? null;
}
