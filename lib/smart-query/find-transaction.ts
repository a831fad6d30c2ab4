/** Where an accepted transaction belongs, for whoever decides about it. */
import { readReference } from '../buffer/reference.ts';
import * as z from 'zod/mini';
import { readInboxRow } from '../postgres/inbox.ts';
import { noFloor, readFromReplica } from '../replication/replicas.ts';
import type { SmartQueryParts } from './snapshot.ts';
import { readTransactionStatus, type TransactionStatus } from './transactions.ts';

export interface FoundTransaction {
  readonly aggregate: string;
  readonly status: TransactionStatus;
}

/** @throws Unavailable */
export async function findTransaction(
  parts: SmartQueryParts,
  id: string,
): Promise<FoundTransaction | undefined> {
  const status = await readTransactionStatus(parts, id);
  if (!status) return undefined;
  const { redis, keys, replicas } = parts;
  const reference = z.nullable(z.string()).parse(await redis.hget(keys.transaction(id), 'reference'));
  if (reference !== null) return { aggregate: readReference(reference).aggregate, status };
  const row = await readFromReplica(replicas, noFloor, async (database) => {
    const { rows } = await database.query<{ row: unknown }>({
      name: 'inbox-row',
      text: 'select to_jsonb(i) as row from inbox i where transaction_id = $1',
      values: [id],
    });
    return rows[0] ? readInboxRow(rows[0].row) : null;
  });
  return row ? { aggregate: row.aggregate, status } : undefined;
}
