/** An accepted transaction with its aggregate, stamp and principal, for an admin's decision about it. */
import { readReference } from '../buffer/reference.ts';
import * as z from 'zod/mini';
import { readInboxRow } from '../postgres/inbox.ts';
import { noFloor, readFromReplica } from '../replication/replicas.ts';
import type { SmartQueryParts } from './snapshot.ts';
import { readTransactionStatus, type TransactionStatus } from './transactions.ts';

export interface FoundTransaction {
  readonly aggregate: string;
  /** all of them, if there are several */
  readonly aggregates?: readonly string[];
  /** decimal µs */
  readonly stamp: number;
  readonly principal: string;
  readonly status: TransactionStatus;
}

/** @throws ReplicaUnavailable */
export async function findTransaction(
  parts: SmartQueryParts,
  id: string,
): Promise<FoundTransaction | undefined> {
  const status = await readTransactionStatus(parts, id);
  if (!status) return undefined;
  const { redis, keys, replicas } = parts;
  const pipeline = redis.pipeline();
  pipeline.hget(keys.transaction(id), 'reference').hget(keys.transaction(id), 'principal');
  const text = z.nullable(z.string());
  const [reference, principal] = z.tuple([text, text]).parse(await pipeline.exec());
  if (reference !== null) {
    const { id: _, ...where } = readReference(reference);
    return { ...where, principal: principal ?? '', status };
  }
  const row = await readFromReplica(replicas, noFloor, async (database) => {
    const { rows } = await database.query<{ row: unknown }>({
      name: 'inbox-row',
      text: 'select to_jsonb(i) as row from inbox i where transaction_id = $1',
      values: [id],
    });
    return rows[0] ? readInboxRow(rows[0].row) : null;
  });
  // an unreadable message is an aggregate of its own
  if (!row) return { aggregate: id, stamp: 0, principal: '', status };
  const { aggregate, aggregates, stamp } = row;
  return { aggregate, ...(aggregates && { aggregates }), stamp, principal: row.principal, status };
}
