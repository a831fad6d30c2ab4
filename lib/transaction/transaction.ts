/**
 * A transaction: one unit of work accepted from a client, executed on main exactly once.
 *
 * This is the form in which it is stored in Redis and SQS, across releases:
 * - Fields may be added, but none may change its meaning. An incompatible change needs a new `version`, and `readTransaction` must
 *   convert the old one.
 * - Unknown fields are dropped, so that an older release can execute transactions of a newer one. A field that must not be dropped
 *   needs a new version.
 * - Main stores the fields named here in columns of `inbox` (see work_of.sql), and no others.
 * - Other content is stored as text: in `inbox.raw` if main cannot store the steps, in `unreadable_message` if no release can read it.
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
  /** the id that release 1 derives for the same request; both ids mean the same transaction */
  alias: z.optional(uuid),
  /** the answer did not contain the filled columns, so copies may differ in them; a copy without this mark takes precedence */
  provisional: z.optional(z.literal(true)),
  /** accept clock in µs since 1970; unique and increasing within an aggregate, whose changes it orders */
  stamp: z.int(),
  /** id of the executed unit, token or user to which all its records belong */
  aggregate: uuid,
  /** all changed aggregates if there are several; `aggregate` is the first */
  aggregates: z.optional(z.array(uuid)),
  /** transactions of a group are applied together or not at all; each has its own stamp, in order */
  group: z.optional(uuid),
  /** `<table>:<id>` of a row that must exist before it can be applied */
  waits_for: z.optional(z.string()),
  /** the accepting site, if several write to one main */
  site: z.optional(z.string()),
  /** of the HTTP request, for logs */
  request_id: z.optional(z.string()),
  /** user id */
  principal: z.string(),
  operation: z.string(),
  steps: z.array(step),
});

export type Transaction = z.infer<typeof transactionV1>;

/**
 * Reads a stored transaction of any version.
 * @throws Error if it is not a transaction
 */
export function readTransaction(stored: unknown): Transaction {
  return transactionV1.parse(stored);
}

/** Whether all its steps are on tables without a feed, so that it appears neither in the change feed nor in lists of units. */
export function hasNoFeed({ steps }: Pick<Transaction, 'steps'>): boolean {
  return steps.every((step) => 'table' in step && tables[step.table].feed === undefined);
}

/** Log fields of a transaction: its id, and the request that submitted it, since `request_id` is that of the invocation. */
export function traceOf({
  id,
  request_id,
}: {
  readonly id: string;
  readonly request_id?: string | undefined;
}) {
  return { transaction: id, ...(request_id !== undefined && { accepted_in_request: request_id }) };
}

/** Whether it is a decision: a retry or discard of another transaction. */
export function isDecision({ steps }: Pick<Transaction, 'steps'>): boolean {
  return steps.some(({ kind }) => kind === 'retry' || kind === 'discard');
}

/** Kinds and tables of its steps: the same text as `shape_of` at main. */
export function shapeOf({ steps }: Pick<Transaction, 'steps'>): string {
  const kinds = steps.map((step) => `${step.kind} ${'table' in step ? step.table : ''}`);
  return [...new Set(kinds)].sort().join(', ');
}

/** Columns that the server filled from its clock. */
export function filledColumns({ steps }: Pick<Transaction, 'steps'>): string[] {
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
