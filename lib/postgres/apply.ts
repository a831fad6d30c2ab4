/** Executes a batch of transactions on main in one call and one commit. */
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

/** signature of a data error → aggregates in which it occurred since a transaction of the same shape last succeeded */
export type SeenFailures = Readonly<Record<string, readonly string[]>>;

/** A data error of a transaction. */
export interface Failure {
  readonly id: string;
  readonly aggregate: string;
  /** equal for equal errors */
  readonly signature: string;
  /** kinds and tables of the transaction's steps */
  readonly shape: string;
  readonly reason: string;
  /** false if the error occurred in several aggregates without a success of the shape, so that no outcome is recorded */
  readonly is_recorded: boolean;
}

export interface Applied {
  /** inbox rows of the recorded transactions of the batch, and of others whose outcome has changed */
  readonly rows: readonly InboxRow[];
  /** a position at or after the commit of all of them */
  readonly lsn: Lsn;
  readonly failures: readonly Failure[];
  /** shapes of the applied transactions */
  readonly succeeded: readonly string[];
  /** the call ended before all work was done: unrecorded transactions must be sent again */
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
  is_partial: z.boolean(),
});

export interface ApplyOptions {
  readonly seen?: SeenFailures;
  /** time-out of the call at main; waits for locks end after 60 % of it. Default: that of the connection */
  readonly timeoutMilliseconds?: number;
}

/**
 * Sends the call, which is its own transaction, and reads the LSN after the commit, in one round trip. Transactions missing in the
 * answer were not recorded and must be sent again.
 * @throws if main does not answer or the call fails; whether the batch was committed is then unknown
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
  const { rows, failures, succeeded, is_partial } = answer.parse(result);
  return { rows: rows.map(readInboxRow), lsn, failures, succeeded, isPartial: is_partial };
}

/**
 * Records at main that a transaction is set aside until an admin decides about it. Works for any content.
 * @param reason shown to admins
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
    // the steps cannot be stored as JSON, so store the text
    if (sqlStateOf(error) === undefined) throw error;
    return call(null, storableText(JSON.stringify(transaction)));
  });
  return { rows: [readInboxRow(result)], lsn };
}

const storableText = (text: string) => text.replaceAll('\0', '\ufffd').toWellFormed();

/** Sends the time-outs, the call and the query for the LSN together, in one round trip. */
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
    // a connection that failed once may be unusable: the next call opens a new one
    client.release(subjectOfFailure(sqlStateOf(error)) === 'connection');
    throw error;
  }
}

const timeouts = (milliseconds: number) =>
  `set statement_timeout = ${milliseconds}; set lock_timeout = ${Math.floor(milliseconds * 0.6)}`;
