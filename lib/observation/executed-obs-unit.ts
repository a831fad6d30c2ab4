/** The executed unit: what a client sends and what it gets. */
import * as z from 'zod/mini';
import { parseInstant } from '../values/instant.ts';
import { asDouble, isJsonObject, type JsonObject } from '../values/json.ts';
import { uuid } from '../values/uuid.ts';
import type { RawDataFile, RawDataPackage } from './raw-data.ts';
import type { Sync } from './sync.ts';

/** An instant with an offset, given back in the one spelling that is stored. */
export const timestamp = z.pipe(
  z.string(),
  z.transform((text, context) => {
    const parsed = parseInstant(text);
    if (parsed) return parsed.instant;
    context.issues.push({
      code: 'custom',
      message:
        'must be an ISO 8601 instant with an offset, in years 0001 to 9999 UTC and not finer than a microsecond, as 2026-10-01T11:10:00.000000Z',
      input: text,
    });
    return z.NEVER;
  }),
);

/** ids are Postgres integers */
export const integerId = z.pipe(z.transform(asDouble), z.int().check(z.minimum(1), z.maximum(2_147_483_647)));

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
  start_time: z.optional(timestamp),
  instrument_module_ids: z.optional(z.array(integerId).check(z.maxLength(1000))),
  metadata: z.optional(metadata),
});

export const finalStatuses = ['completed', 'aborted', 'failed'] as const;

export const finishBody = z.strictObject({
  status: z._default(z.enum(finalStatuses), 'completed'),
  end_time: z.optional(timestamp),
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
  readonly instrument_module_ids: readonly number[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly sync: Sync;
  /** if asked for */
  readonly packages?: readonly RawDataPackage[];
  readonly files?: readonly RawDataFile[];
}
