/** Executes transactions on main: one call, one commit, whatever the size of the batch. */
import type { Pool } from './connect.ts';
import { readLsn, type Lsn } from '../replication/lsn.ts';
import { recordIdsOf, type Transaction } from '../transaction/transaction.ts';
import { transientSqlStates } from '../transaction/failure.ts';
import { readInboxRow, type InboxRow } from './inbox.ts';
import { storableJson } from './storable-json.ts';

export interface Applied {
  /** of each recorded transaction of the batch, and of others whose outcome it changed */
  readonly rows: readonly InboxRow[];
  /** a position at or after the commit of all of them */
  readonly lsn: Lsn;
}

/**
 * Two round trips: the call, which commits by itself, and after its commit the position of the log.
 * Transactions that are missing in the answer were not recorded and must come again.
 * @throws if main does not answer, or the whole call failed: what became of the batch is then unknown
 */
export async function applyTransactions(
  main: Pool,
  batch: readonly Transaction[],
  startWaitSeconds: number,
): Promise<Applied> {
  const client = await main.connect();
  try {
    const withRecords = batch.map((each) => ({ ...each, record_ids: recordIdsOf(each) }));
    const applied = await client.query({
      name: 'apply-transactions',
      text: 'select * from apply_transactions($1::jsonb, $2::text[], $3)',
      values: [storableJson(withRecords), transientSqlStates, startWaitSeconds],
    });
    const position = await client.query<{ lsn: string }>({
      name: 'lsn-after-commit',
      text: 'select pg_current_wal_lsn()::text as lsn',
    });
    client.release();
    return { rows: applied.rows.map(readInboxRow), lsn: readLsn(position.rows[0]?.lsn ?? '') };
  } catch (error) {
    // A connection that failed once may be half dead: the next call gets a new one.
    client.release(true);
    throw error;
  }
}
