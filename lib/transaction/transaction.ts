/**
 * A transaction: one unit of work accepted from a client, executed on main exactly once.
 *
 * This is its stored form, in Redis and in SQS messages. It outlives releases: a field may be added, none may change its meaning;
 * what must change gets a new `version`, and `readTransaction` brings the old one forward. A reader drops fields that it does not
 * know, so that an older release executes what a newer one has written: a field that may not be dropped needs a new version. Main
 * keeps the fields named here in columns of `inbox` (see work_of.sql), all others end with the message. What is none of this form
 * is kept as text: in `inbox.raw` if main cannot store its steps, in `unreadable_message` if nobody can read it.
 */
import * as z from 'zod/mini';
import { uuid } from '../values/uuid.ts';
import { step } from '../table/step.ts';
import { tables } from '../table/tables.ts';

export type { Step } from '../table/step.ts';
export type { BufferedTable } from '../table/tables.ts';

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
  /** every aggregate that it changes, if there are several; `aggregate` is the first */
  aggregates: z.optional(z.array(uuid)),
  /** members of a group are applied together or not at all; each has a stamp of its own, in order */
  group: z.optional(uuid),
  /** `<table>:<id>` of a row that others must bring before it can be applied */
  waits_for: z.optional(z.string()),
  /** the site that accepted it, where several write to one main */
  site: z.optional(z.string()),
  /** of the request that brought it, for logs */
  request_id: z.optional(z.string()),
  /** user id of who asked */
  principal: z.string(),
  operation: z.string(),
  steps: z.array(step),
});

export type Transaction = z.infer<typeof transactionV1>;

/**
 * Reads a stored transaction of any version that was ever written.
 * @throws Error if it is none
 */
export function readTransaction(stored: unknown): Transaction {
  return transactionV1.parse(stored);
}

/** Whether it is of no executed unit. */
export function hasNoFeed({ steps }: Pick<Transaction, 'steps'>): boolean {
  return steps.every((step) => 'table' in step && tables[step.table].feed === undefined);
}

/** How a line of the log names it, with the request that brought it: the line's own request is that of the invocation. */
export function traceOf({
  id,
  request_id,
}: {
  readonly id: string;
  readonly request_id?: string | undefined;
}) {
  return { transaction: id, ...(request_id !== undefined && { accepted_in_request: request_id }) };
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
