/** The executed unit: what a client sends and what it gets. */
import * as z from 'zod/mini';
import { canonicalTimestamp } from '../transaction/timestamp.ts';
import type { RawDataFile, RawDataPackage } from './raw-data.ts';
import type { Sync } from './sync.ts';

/** An instant with an offset, given back in the one spelling that is stored. */
export const timestamp = z.pipe(
  z.string(),
  z.transform((text, context) => {
    const canonical = canonicalTimestamp(text);
    if (canonical !== undefined) return canonical;
    context.issues.push({
      code: 'custom',
      message: 'must be an ISO 8601 instant with an offset, as 2026-10-01T11:10:00Z',
      input: text,
    });
    return z.NEVER;
  }),
);

/** ids are Postgres integers */
export const integerId = z.int().check(z.minimum(1), z.maximum(2_147_483_647));

const metadata = z.record(z.string().check(z.maxLength(200)), z.json());

/** the one spelling of a UUID is lower case */
export const recordId = z.pipe(
  z.uuid(),
  z.transform((id) => id.toLowerCase()),
);

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
