/** The aggregates of a transaction as the scripts of the buffer get them (lua/include/aggregates.lua). */
import * as z from 'zod/mini';
import type { Keys } from '../redis/keys.ts';
import type { Site } from '../redis/site.ts';
import { aggregatesOf, tableOfAggregate } from '../transaction/aggregates.ts';
import { recordIdsOf, type Transaction } from '../transaction/transaction.ts';

/** Of each aggregate its overlay and its record. */
export function aggregateKeys(keys: Keys, named: Parameters<typeof aggregatesOf>[0]): string[] {
  return aggregatesOf(named).flatMap((each) => [keys.overlay(each), keys.record(each)]);
}

/** What a script that writes a transaction must know of it besides its steps. */
export function namedAggregates(transaction: Transaction) {
  const aggregates = aggregatesOf(transaction);
  return {
    aggregates,
    /** of each aggregate, empty for an executed unit */
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
 * The aggregates in whose overlays rows with these ids are, each once, in one round trip: their own ids, and others for rows that
 * belong to another row.
 */
export async function aggregatesOfRecords({ redis, keys }: Site, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.zrange(keys.overlaidByRecord, `[${id}:`, `(${id};`, { byLex: true });
  const found = members.parse(await pipeline.exec()).flat();
  return [...new Set([...ids, ...found.map((member) => member.split(':')[1] ?? '')])];
}
