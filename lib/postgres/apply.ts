/** Executes transactions on main: one call, one commit, whatever the size of the batch. */
import * as z from 'zod/mini';
import { readLsn, type Lsn } from '../values/lsn.ts';
import { isDecision, recordIdsOf, type Transaction } from '../transaction/transaction.ts';
import { subjectOfFailure } from '../transaction/failure.ts';
import { parseJson } from '../values/json.ts';
import type { Pool } from './connect.ts';
import { readInboxRow, type InboxRow } from './inbox.ts';
import { releaseSchema } from './release.ts';
import { sqlStateOf } from './sql-state.ts';
import { storableJson } from './storable-json.ts';

export { sqlStateOf };

/** signature of an error → some of the aggregates that it was seen on, since the last success of the like */
export type SeenFailures = Readonly<Record<string, readonly string[]>>;

/** An error that is about the data of a transaction. */
export interface Failure {
  readonly id: string;
  readonly aggregate: string;
  /** equal for equal errors */
  readonly signature: string;
  /** what the transaction does */
  readonly shape: string;
  readonly reason: string;
  /** false: the same on several aggregates without a success of the shape, so it is left as it is */
  readonly is_recorded: boolean;
}

export interface Applied {
  /** of each recorded transaction of the batch, and of others whose outcome it changed */
  readonly rows: readonly InboxRow[];
  /** a position at or after the commit of all of them */
  readonly lsn: Lsn;
  readonly failures: readonly Failure[];
  /** shapes of which at least one was applied */
  readonly succeeded: readonly string[];
  /** the call has ended before its work did: what is not recorded comes again */
  readonly isPartial: boolean;
}

const answer = z.object({
  rows: z.array(z.unknown()),
  failures: z.array(
    z.object({
      id: z.string(),
      aggregate: z.string(),
      signature: z.string(),
      shape: z.string(),
      reason: z.string(),
      is_recorded: z.boolean(),
    }),
  ),
  succeeded: z.array(z.string()),
  is_cut: z.boolean(),
});

export interface ApplyOptions {
  readonly seen?: SeenFailures;
  /** of the call at main; waits for locks end after 60 % of it. Default: those of the connection */
  readonly timeoutMilliseconds?: number;
}

/**
 * One round trip: the call, which commits by itself, and after its commit the position of the log. Transactions that are missing
 * in the answer were not recorded and must come again.
 * @throws if main does not answer, or the whole call failed: what became of the batch is then unknown
 */
export async function applyTransactions(
  main: Pool,
  batch: readonly Transaction[],
  startWaitSeconds: number,
  { seen = {}, timeoutMilliseconds }: ApplyOptions = {},
): Promise<Applied> {
  const withRecords = batch.map((each) => ({ ...each, record_ids: recordIdsOf(each) }));
  const { result, lsn } = await callMain(main, timeoutMilliseconds, {
    name: 'apply-transactions',
    text: `select ${releaseSchema}.apply_transactions($1::jsonb, $2, $3::jsonb)::text as result`,
    values: [storableJson(withRecords), startWaitSeconds, JSON.stringify(seen)],
  });
  const { rows, failures, succeeded, is_cut } = answer.parse(result);
  return { rows: rows.map(readInboxRow), lsn, failures, succeeded, isPartial: is_cut };
}

/**
 * Records at main that a transaction is set aside until a person takes it up, whatever it holds.
 * @param reason that people read
 * @throws if main does not answer
 */
export async function setAside(
  main: Pool,
  transaction: Transaction,
  reason: string,
): Promise<Pick<Applied, 'rows' | 'lsn'>> {
  const { steps, ...rest } = transaction;
  const heading = { ...rest, record_ids: recordIdsOf(transaction), is_decision: isDecision(transaction) };
  const call = (kept: string | null, raw: string | null) =>
    callMain(main, undefined, {
      name: 'set-aside',
      text: `select ${releaseSchema}.set_aside($1::jsonb, $2, $3::jsonb, $4)::text as result`,
      values: [storableJson(heading), storableText(reason), kept, raw],
    });
  const { result, lsn } = await call(storableJson(steps), null).catch((error: unknown) => {
    // its steps are not storable: its text is
    if (sqlStateOf(error) === undefined) throw error;
    return call(null, storableText(JSON.stringify(transaction)));
  });
  return { rows: [readInboxRow(result)], lsn };
}

const storableText = (text: string) => text.replaceAll('\0', '\ufffd').toWellFormed();

/** In one round trip: the time-outs, the call and, after its commit, the position are sent at once. */
async function callMain(
  main: Pool,
  timeoutMilliseconds: number | undefined,
  query: { readonly name: string; readonly text: string; readonly values: readonly unknown[] },
): Promise<{ readonly result: unknown; readonly lsn: Lsn }> {
  const client = await main.connect();
  const limited = timeoutMilliseconds === undefined ? undefined : client.query(timeouts(timeoutMilliseconds));
  const called = client.query<{ result: string }>({ ...query, values: [...query.values] });
  const positioned = client.query<{ lsn: string }>({
    name: 'lsn-after-commit',
    text: 'select pg_current_wal_lsn()::text as lsn',
  });
  try {
    const [, { rows }, position] = await Promise.all([limited, called, positioned]);
    client.release();
    return { result: parseJson(rows[0]?.result ?? ''), lsn: readLsn(position.rows[0]?.lsn ?? '') };
  } catch (error) {
    await Promise.allSettled([limited, called, positioned]);
    // A connection that failed once may be half dead: the next call gets a new one.
    client.release(subjectOfFailure(sqlStateOf(error)) === 'connection');
    throw error;
  }
}

/** Waits for locks end after 60 % of a call. */
const timeouts = (milliseconds: number) =>
  `set statement_timeout = ${milliseconds}; set lock_timeout = ${Math.floor(milliseconds * 0.6)}`;
