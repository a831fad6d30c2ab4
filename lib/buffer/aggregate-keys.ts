/** The aggregates of a transaction as arguments of the buffer's scripts (lua/include/aggregates.lua). */
import * as z from 'zod/mini';
import type { Keys } from '../redis/keys.ts';
import type { Site } from '../redis/site.ts';
import { aggregatesOf, tableOfAggregate } from '../transaction/aggregates.ts';
import { recordIdsOf, type Transaction } from '../transaction/transaction.ts';

/** The overlay and the record of each aggregate. */
export function aggregateKeys(keys: Keys, named: Parameters<typeof aggregatesOf>[0]): string[] {
  return aggregatesOf(named).flatMap((each) => [keys.overlay(each), keys.record(each)]);
}

/** Arguments of a script that writes a transaction, in addition to the steps. */
export function namedAggregates(transaction: Transaction) {
  const aggregates = aggregatesOf(transaction);
  return {
    aggregates,
    /** table of each aggregate's root row; empty for an executed unit */
    tables: aggregates.map((each) => {
      const table = tableOfAggregate(transaction, each);
      return table === 'executed_obs_unit' ? '' : table;
    }),
    records: JSON.stringify(recordIdsOf(transaction)),
    ...(transaction.waits_for !== undefined && { waits_for: transaction.waits_for }),
  };
}

const members = z.array(z.array(z.string()));

/**
 * The aggregates whose overlays may contain rows with these ids, in one round trip: the ids themselves, and the aggregates of rows that
 * belong to another row.
 */
export async function aggregatesOfRecords({ redis, keys }: Site, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.zrange(keys.overlaidByRecord, `[${id}:`, `(${id};`, { byLex: true });
  const found = members.parse(await pipeline.exec()).flat();
  return [...new Set([...ids, ...found.map((member) => member.split(':')[1] ?? '')])];
}
