/** Reads the inbox, the table of all transactions that main has recorded, at main or at a replica. */
import * as z from 'zod/mini';
import { outcomes, parkingReasons, type Outcome, type ParkedFor } from '../transaction/lifecycle.ts';
import { readTransaction } from '../transaction/transaction.ts';
import { parseJson } from '../values/json.ts';
import type { Database } from './connect.ts';

const int8 = z.pipe(z.union([z.string(), z.number()]), z.transform(Number));

/** a row of `inbox` from `to_jsonb` or from the driver */
const row = z.object({
  transaction_id: z.string(),
  stamp: int8,
  aggregate_id: z.string(),
  aggregates: z.nullish(z.array(z.string())),
  principal: z.string(),
  record_ids: z.array(z.string()),
  outcome: z.enum(outcomes),
  parked_for: z.nullable(z.enum(parkingReasons)),
  overdue: z.boolean(),
  reason: z.nullable(z.string()),
  steps: z.nullable(z.array(z.unknown())),
  raw: z.nullish(z.string()),
  obs_unit_id: z.nullable(z.int()),
  attempts: z.int(),
  revision: z.int(),
  waits_for: z.nullish(z.string()),
  recorded_at: z.union([z.string(), z.date()]),
  changed_at: z.union([z.string(), z.date()]),
});

export interface InboxRow {
  readonly id: string;
  readonly stamp: number;
  readonly aggregate: string;
  /** all aggregates, if there are several */
  readonly aggregates?: readonly string[];
  readonly principal: string;
  readonly recordIds: readonly string[];
  readonly outcome: Outcome;
  readonly parkedFor: ParkedFor | null;
  readonly overdue: boolean;
  /** `<table>:<id>` of a row missing at main, or `retry` if an admin must decide */
  readonly waitsFor: string | null;
  readonly reason: string | null;
  /** null once applied */
  readonly steps: readonly unknown[] | null;
  readonly obsUnitId: number | null;
  readonly attempts: number;
  /** incremented with every change of the outcome */
  readonly revision: number;
  readonly recordedAt: string;
  readonly changedAt: string;
}

export function readInboxRow(value: unknown): InboxRow {
  const r = row.parse(value);
  return {
    id: r.transaction_id,
    stamp: r.stamp,
    aggregate: r.aggregate_id,
    ...(r.aggregates && { aggregates: r.aggregates }),
    principal: r.principal,
    recordIds: r.record_ids,
    outcome: r.outcome,
    parkedFor: r.parked_for,
    overdue: r.overdue,
    waitsFor: r.waits_for ?? null,
    reason: r.reason,
    steps: r.steps ?? stepsOf(r.raw),
    obsUnitId: r.obs_unit_id,
    attempts: r.attempts,
    revision: r.revision,
    recordedAt: new Date(r.recorded_at).toISOString(),
    changedAt: new Date(r.changed_at).toISOString(),
  };
}

/** The steps of a transaction that main stores as text because `jsonb` rejects them. */
function stepsOf(raw: string | null | undefined): readonly unknown[] | null {
  if (raw === null || raw === undefined) return null;
  try {
    return readTransaction(parseJson(raw)).steps;
  } catch {
    return null;
  }
}

/** Which of `ids` are in the inbox of `database`, with their revision. */
export async function findInInbox(database: Database, ids: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await database.query<{ transaction_id: string; revision: number }>({
    name: 'find-in-inbox',
    text: 'select transaction_id, revision from inbox where transaction_id = any ($1::uuid[])',
    values: [ids],
  });
  return new Map(rows.map((found) => [found.transaction_id, found.revision]));
}

/** Whether a transaction waits for a row that was missing at main. A call at main applies it if the row exists, or marks it overdue. */
export async function hasWaiting(database: Database): Promise<boolean> {
  const { rowCount } = await database.query({
    name: 'has-waiting',
    text: "select from inbox where outcome = 'parked' and parked_for = 'start' limit 1",
  });
  return rowCount === 1;
}

/** Number of transactions in state `failed`, including unreadable messages: as many as the list of them contains. */
export async function countFailed(database: Database): Promise<number> {
  const { rows } = await database.query<{ n: number }>({
    name: 'count-failed',
    text: `select ((select count(*) from inbox
        where outcome <> 'applied' and inbox_state(outcome, parked_for, overdue) = 'failed')
      + (select count(*) from unreadable_message where outcome is null))::integer as n`,
  });
  return rows[0]?.n ?? 0;
}
