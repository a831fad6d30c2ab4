/**
 * The steps of a transaction: changes of rows. Redis judges them, main executes them, and reads apply them to the rows of a replica. They
 * are stored, so their form is stable across releases (see lib/transaction/transaction.ts).
 */
import * as z from 'zod/mini';
import type { Json } from '../values/json.ts';
import { uuid } from '../values/uuid.ts';
import { bufferedTables } from './tables.ts';

const table = z.enum(bufferedTables);
/**
 * column → JSON value; instants as text. An object is merged into the column by key. Numbers keep their digits.
 */
const values = z.record(z.string(), z.custom<Json>());

/** Columns in `values` that the server filled from its clock. Main corrects a filled end time that is before the start. */
const filled = z.optional(z.array(z.string()));

export const step = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('create'), table, id: uuid, values, filled }),
  /** creates the row, or updates an existing one with the values */
  z.object({ kind: z.literal('put'), table, id: uuid, values }),
  z.object({ kind: z.literal('bulk_create'), table, rows: z.array(z.object({ id: uuid, values })) }),
  z.object({
    kind: z.literal('update'),
    table,
    id: uuid,
    values,
    /**
     * The row must have these values. Otherwise the step changes nothing, and is refused unless it is a repeat: the row already has the
     * values in the `given` columns.
     */
    only_if: z.optional(values),
    given: z.optional(z.array(z.string())),
    /** a correction by a user: state transitions are not checked */
    corrects: z.optional(z.literal(true)),
    filled,
  }),
  z.object({ kind: z.literal('delete'), table, id: uuid }),
  /** retries a parked transaction */
  z.object({ kind: z.literal('retry'), transaction: uuid }),
  /** discards a transaction that main has not applied */
  z.object({
    kind: z.literal('discard'),
    transaction: uuid,
    reason: z.string(),
    /** heading of the discarded transaction, since main may not have received it yet */
    target: z.optional(
      z.object({
        aggregate: uuid,
        aggregates: z.optional(z.array(uuid)),
        stamp: z.int(),
        principal: z.string(),
      }),
    ),
  }),
]);

export type Step = z.infer<typeof step>;
