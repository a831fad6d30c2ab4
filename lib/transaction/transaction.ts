/**
 * A transaction: one unit of work accepted from a client, executed on main exactly once.
 * This is its stored form, in Redis and in SQS messages. It outlives releases: a field may be added, none may change
 * its meaning; what must change gets a new `version`, and `readTransaction` brings the old one forward.
 */
import * as z from 'zod/mini';
import type { Json } from '../values/json.ts';
import { uuid } from '../values/uuid.ts';
import { bufferedTables, tables } from './tables.ts';

export { bufferedTables, type BufferedTable } from './tables.ts';

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

const step = z.discriminatedUnion('kind', [
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
    target: z.optional(z.object({ aggregate: uuid, stamp: z.int(), principal: z.string() })),
  }),
]);

const transactionV1 = z.object({
  version: z.literal(1),
  id: uuid,
  /** the id that release 1 would have given the same request: either is the same transaction */
  alias: z.optional(uuid),
  /**
   * Its answer left the filled columns open, so that copies of it may differ in them: of two copies, one without this mark
   * counts.
   */
  provisional: z.optional(z.literal(true)),
  /** accept clock in µs since 1970; unique and rising within an aggregate: the order of its changes */
  stamp: z.int(),
  /** the executed unit, token or user that everything in it belongs to */
  aggregate: uuid,
  /** user id of who asked */
  principal: z.string(),
  operation: z.string(),
  steps: z.array(step),
});

export type Step = z.infer<typeof step>;
export type Transaction = z.infer<typeof transactionV1>;

/**
 * Reads a stored transaction of any version that was ever written.
 * @throws Error if it is none
 */
export function readTransaction(stored: unknown): Transaction {
  return transactionV1.parse(stored);
}

/** Whether it is of no executed unit. */
export function isQuiet({ steps }: Pick<Transaction, 'steps'>): boolean {
  return steps.every((step) => 'table' in step && tables[step.table].isQuiet === true);
}

/** Whether it creates the record that everything else of its aggregate belongs to. */
export function isStart({ steps }: { readonly steps: readonly Step[] }): boolean {
  return steps.some((step) => step.kind === 'create' && tables[step.table].isStart === true);
}

/** Whether it decides about others: it retries or discards them. */
export function isDecision({ steps }: Pick<Transaction, 'steps'>): boolean {
  return steps.some(({ kind }) => kind === 'retry' || kind === 'discard');
}

/** What it does, without what it does it to: the same text as `shape_of` at main. */
export function shapeOf({ steps }: Pick<Transaction, 'steps'>): string {
  const kinds = steps.map((step) => `${step.kind} ${'table' in step ? step.table : ''}`);
  return [...new Set(kinds)].sort().join(', ');
}

/** Columns that the door took from its clock. */
export function filledIn({ steps }: Pick<Transaction, 'steps'>): string[] {
  return steps.flatMap((step) => ('filled' in step ? (step.filled ?? []) : []));
}

/** Ids of the rows that a transaction changes, each once. */
export function recordIdsOf({ steps }: Pick<Transaction, 'steps'>): string[] {
  const ids = steps.flatMap((each) => {
    switch (each.kind) {
      case 'bulk_create':
        return each.rows.map((row) => row.id);
      case 'retry':
      case 'discard':
        return [];
      default:
        return [each.id];
    }
  });
  return [...new Set(ids)];
}
