/** Lists of transactions that main has not applied: from the buffer and from a replica's inbox. */
import * as z from 'zod/mini';
import { readReference } from '../buffer/reference.ts';
import type { Database } from '../postgres/connect.ts';
import { readInboxRow, type InboxRow } from '../postgres/inbox.ts';
import { sqlStateOf } from '../postgres/sql-state.ts';
import { noFloor, readFromReplica } from '../replication/replicas.ts';
import type { SmartQueryParts } from './snapshot.ts';
import { readBufferedTransaction, statusOf, type TransactionStatus } from './transactions.ts';
import { listUnreadable, type Unreadable } from './unreadable.ts';

export const listedStates = ['failed', 'waiting', 'buffered'] as const;
export type ListedState = (typeof listedStates)[number];

/** Stamp and id of the last transaction on the previous page, newest first. */
export interface After {
  readonly stamp: number;
  readonly id: string;
}

export interface TransactionsPage {
  readonly transactions: readonly TransactionStatus[];
  /** absent on the last page */
  readonly next?: After;
}

/** @throws ReplicaUnavailable */
export async function listTransactions(
  parts: SmartQueryParts,
  state: ListedState,
  limit: number,
  after?: After,
): Promise<TransactionsPage> {
  const count = limit + 1;
  const references = await bufferedPage(parts, state, count, after);
  const { rows, unreadable } =
    state === 'buffered' ? { rows: [], unreadable: [] } : await setAsidePage(parts, state, count, after);
  const all = [...references, ...rows, ...unreadable];
  const candidates = new Map<string, After>(all.map((each) => [each.id, each]));
  const considered = [...candidates.values()].sort(newestFirst).slice(0, limit);
  const statuses = await statusesOf(parts, considered, rows, unreadable);
  const last = considered.at(-1);
  return {
    // a transaction that has changed state meanwhile is left out: a page may hold fewer than its limit
    transactions: statuses.filter((status) => status.state === state),
    ...(candidates.size > limit && last && { next: { stamp: last.stamp, id: last.id } }),
  };
}

function newestFirst(a: After, b: After): number {
  if (a.id === b.id) return 0;
  return b.stamp - a.stamp || (a.id < b.id ? 1 : -1);
}

/** The most recent status of each transaction, from the buffer or from main's inbox. */
async function statusesOf(
  { redis, keys }: SmartQueryParts,
  considered: readonly After[],
  rows: readonly InboxRow[],
  unreadable: readonly Unreadable[],
): Promise<TransactionStatus[]> {
  if (considered.length === 0) return [];
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const unreadableOf = new Map(unreadable.map((each) => [each.id, each.status]));
  const pipeline = redis.pipeline();
  for (const { id } of considered) pipeline.hgetall(keys.transaction(id));
  const hashes: unknown[] = await pipeline.exec();
  return considered.flatMap(
    ({ id }, index) =>
      statusOf(id, readBufferedTransaction(hashes[index]), rowOf.get(id)) ?? unreadableOf.get(id) ?? [],
  );
}

async function bufferedPage(
  { redis, keys }: SmartQueryParts,
  state: ListedState,
  count: number,
  after: After | undefined,
): Promise<After[]> {
  const pipeline = redis.pipeline();
  const ordered = state === 'buffered' ? keys.pending : keys.setAside;
  const from = after?.stamp ?? '+inf';
  pipeline.zrange(ordered, from, '-inf', { byScore: true, rev: true, offset: 0, count: count + 1 });
  // claimed transactions are ordered by the end of their lease, not by stamp: read them all, they are few
  if (state === 'buffered') pipeline.zrange(keys.inflight, 0, -1);
  return z
    .array(z.array(z.string()))
    .parse(await pipeline.exec())
    .flat()
    .map(readReference)
    .filter((reference) => !after || newestFirst(after, reference) < 0)
    .sort(newestFirst)
    .slice(0, count);
}

interface SetAside {
  readonly rows: readonly InboxRow[];
  readonly unreadable: readonly Unreadable[];
}

async function setAsidePage(
  { replicas }: SmartQueryParts,
  state: Exclude<ListedState, 'buffered'>,
  count: number,
  after: After | undefined,
): Promise<SetAside> {
  return readFromReplica(replicas, noFloor, async (database) => ({
    rows: await selectInState(database, state, count, after),
    unreadable: state === 'failed' ? await listUnreadable(database, count, after) : [],
  }));
}

async function selectInState(
  database: Database,
  state: Exclude<ListedState, 'buffered'>,
  count: number,
  after: After | undefined,
): Promise<InboxRow[]> {
  const select = (stateOf: string) =>
    database.query<{ row: unknown }>({
      text: `
        select to_jsonb(i) as row from inbox i
        where outcome <> 'applied' and ${stateOf} = $1
          and ($2::bigint is null or (stamp, transaction_id) < ($2, $3::uuid))
        order by stamp desc, transaction_id desc limit $4`,
      values: [state, after?.stamp ?? null, after?.id ?? null, count],
    });
  const { rows } = await select('inbox_state(outcome, parked_for, overdue)').catch((error: unknown) => {
    // this replica has not replayed the function yet
    if (sqlStateOf(error) !== '42883') throw error;
    return select(`case outcome when 'discarded' then 'discarded' when 'refused' then 'failed'
      else case when parked_for = 'failed' or overdue then 'failed' else 'waiting' end end`);
  });
  return rows.map(({ row }) => readInboxRow(row));
}
