/**
 * The steps of a transaction: the one vocabulary of what is done to rows. Redis judges them, main performs them, readers lay them
 * over what a replica shows. They are stored, so their form outlives releases (see lib/transaction/transaction.ts).
 */
import * as z from 'zod/mini';
import type { Json } from '../values/json.ts';
import { uuid } from '../values/uuid.ts';
import { bufferedTables } from './tables.ts';

const table = z.enum(bufferedTables);
/**
 * column → JSON value; instants as text. An object merges into the column by its keys. Values are taken as they were parsed:
 * numbers keep their digits.
 */
const values = z.record(z.string(), z.custom<Json>());

/**
 * Columns among `values` that the door took from its own clock, the instant of the stamp; main puts no end before its start.
 */
const filled = z.optional(z.array(z.string()));

export const step = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('create'), table, id: uuid, values, filled }),
  /** creates the row, or lays the values over the one that is there */
  z.object({ kind: z.literal('put'), table, id: uuid, values }),
  z.object({ kind: z.literal('bulk_create'), table, rows: z.array(z.object({ id: uuid, values })) }),
  z.object({
    kind: z.literal('update'),
    table,
    id: uuid,
    values,
    /**
     * The row must have these values. If it has not, the step changes nothing, and is right only if the row already
     * has all that the client gave (`given`, columns of `values`): a repeat.
     */
    only_if: z.optional(values),
    given: z.optional(z.array(z.string())),
    /** a person sets right what is there: the states of its columns need not follow one another */
    corrects: z.optional(z.literal(true)),
    filled,
  }),
  z.object({ kind: z.literal('delete'), table, id: uuid }),
  /** tries a parked transaction again */
  z.object({ kind: z.literal('retry'), transaction: uuid }),
  /** gives up a parked transaction, for a reason */
  z.object({
    kind: z.literal('discard'),
    transaction: uuid,
    reason: z.string(),
    /** of the transaction that is given up: main may not have seen it yet */
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
