/** Lists of transactions that are not applied: from the buffer, and from the inbox as a replica shows it. */
import * as z from 'zod/mini';
import { readReference } from '../buffer/reference.ts';
import { readInboxRow, type InboxRow } from '../postgres/inbox.ts';
import { noFloor, readFromReplica } from '../replication/replicas.ts';
import type { SmartQueryParts } from './snapshot.ts';
import { readBufferedTransaction, statusOf, type TransactionStatus } from './transactions.ts';

export const listedStates = ['failed', 'waiting', 'buffered'] as const;
export type ListedState = (typeof listedStates)[number];

/** Stamp and id of the last one of the page before: the newest come first. */
export interface After {
  readonly stamp: number;
  readonly id: string;
}

export interface TransactionsPage {
  readonly transactions: readonly TransactionStatus[];
  /** absent on the last page */
  readonly next?: After;
}

/** @throws Unavailable */
export async function listTransactions(
  parts: SmartQueryParts,
  state: ListedState,
  limit: number,
  after?: After,
): Promise<TransactionsPage> {
  const count = limit + 1;
  const references = await bufferedPage(parts, state, count, after);
  const rows = state === 'buffered' ? [] : await setAsidePage(parts, state, count, after);
  const candidates = new Map<string, After>([...references, ...rows].map((each) => [each.id, each]));
  const considered = [...candidates.values()].sort(newestFirst).slice(0, limit);
  const statuses = await statusesOf(parts, considered, new Map(rows.map((row) => [row.id, row])));
  const last = considered.at(-1);
  return {
    // what has moved on meanwhile is left out: a page may hold fewer than its limit
    transactions: statuses.filter((status) => status.state === state),
    ...(candidates.size > limit && last && { next: { stamp: last.stamp, id: last.id } }),
  };
}

function newestFirst(a: After, b: After): number {
  if (a.id === b.id) return 0;
  return b.stamp - a.stamp || (a.id < b.id ? 1 : -1);
}

/** Each at its furthest: as the buffer has it, or as main has said. */
async function statusesOf(
  { redis, keys }: SmartQueryParts,
  considered: readonly After[],
  rows: ReadonlyMap<string, InboxRow>,
): Promise<TransactionStatus[]> {
  if (considered.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const { id } of considered) pipeline.hgetall(keys.transaction(id));
  const hashes: unknown[] = await pipeline.exec();
  return considered.flatMap(
    ({ id }, index) => statusOf(id, readBufferedTransaction(hashes[index]), rows.get(id)) ?? [],
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
  // leases are ordered by their end: there are never more of them than processors hold
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

async function setAsidePage(
  { replicas }: SmartQueryParts,
  state: Exclude<ListedState, 'buffered'>,
  count: number,
  after: After | undefined,
): Promise<InboxRow[]> {
  const isFailed = `(outcome = 'refused' or outcome = 'parked' and (parked_for = 'failed' or overdue))`;
  return readFromReplica(replicas, noFloor, async (database) => {
    const { rows } = await database.query<{ row: unknown }>({
      name: `transactions-${state}`,
      text: `
        select to_jsonb(i) as row from inbox i
        where outcome in ('parked', 'refused', 'discarded')
          and ${state === 'failed' ? isFailed : `outcome = 'parked' and not ${isFailed}`}
          and ($1::bigint is null or (stamp, transaction_id) < ($1, $2::uuid))
        order by stamp desc, transaction_id desc limit $3`,
      values: [after?.stamp ?? null, after?.id ?? null, count],
    });
    return rows.map(({ row }) => readInboxRow(row));
  });
}
