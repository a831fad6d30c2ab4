/** Messages that could not be read, shown as failed transactions. */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import { sqlStateOf } from '../postgres/sql-state.ts';
import type { TransactionStatus } from './transactions.ts';
import { instantOfMilliseconds } from '../values/instant.ts';

export interface Unreadable {
  readonly id: string;
  /** when it was first received, like the stamp of a transaction: µs since 1970 */
  readonly stamp: number;
  readonly status: TransactionStatus;
}

const rows = z.array(
  z.object({
    id: z.string(),
    stamp: z.pipe(z.string(), z.transform(Number)),
    reason: z.string(),
    count: z.int(),
    first_seen: z.date(),
    outcome: z.nullable(z.string()),
  }),
);

const columns = `id::text, stamp::text, reason, count, first_seen, outcome from (
  select *, floor(extract(epoch from first_seen) * 1000000)::bigint as stamp from unreadable_message) m`;

/** Those without a decision, newest first. */
export function listUnreadable(
  database: Database,
  count: number,
  after: { readonly stamp: number; readonly id: string } | undefined,
): Promise<Unreadable[]> {
  return select(database, {
    name: 'list-unreadable',
    text: `select ${columns}
      where outcome is null and ($1::bigint is null or (stamp, id) < ($1, $2::uuid)) order by stamp desc, id desc limit $3`,
    values: [after?.stamp ?? null, after?.id ?? null, count],
  });
}

export async function findUnreadable(database: Database, id: string): Promise<Unreadable | undefined> {
  const query = { name: 'find-unreadable', text: `select ${columns} where id = $1`, values: [id] };
  const [found] = await select(database, query);
  return found;
}

async function select(
  database: Database,
  query: { name: string; text: string; values: unknown[] },
): Promise<Unreadable[]> {
  try {
    return rows
      .parse((await database.query(query)).rows)
      .map(({ id, stamp, reason, count, first_seen, outcome }) => {
        const state = outcome === null ? ('failed' as const) : ('discarded' as const);
        const status = {
          transaction_id: id,
          record_ids: [],
          state,
          attempts: count,
          reason: `The message could not be read: ${reason}`,
          history: [{ at: instantOfMilliseconds(first_seen.getTime()), state: 'failed' as const }],
        };
        return { id, stamp, status };
      });
  } catch (error) {
    // a replica that has not replayed the creation of the table holds no such messages
    if (sqlStateOf(error) === '42P01') return [];
    throw error;
  }
}
