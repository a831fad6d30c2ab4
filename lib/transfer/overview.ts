/** The overview of packages and transfers by state, for the UI and its WebSocket. */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import { readStateCounts, type StateCounts } from '../postgres/state-counts.ts';
import { packageStates, transferStatuses, type TransferOverview } from './operations.ts';

const counts = z.object({
  packages: z.record(z.string(), z.number()),
  transfers: z.record(z.string(), z.number()),
});

/** Contains every state, in a fixed order, so that equal overviews are identical byte for byte. */
export async function readTransferOverview(database: Database): Promise<TransferOverview> {
  const known = await readStateCounts(database);
  const { packages, transfers } = known
    ? { packages: known.raw_data_package, transfers: known.data_transfer }
    : await countRows(database);
  return {
    total_packages: Object.values(packages).reduce((sum, n) => sum + n, 0),
    active_transfers: transfers.in_progress ?? 0,
    packages: inOrder(packageStates, packages),
    transfers: inOrder(transferStatuses, transfers),
  };
}

/** Counts the rows themselves, in one statement. */
async function countRows(database: Database): Promise<z.infer<typeof counts>> {
  const { rows } = await database.query({
    name: 'count-packages-and-transfers',
    text: `
      select
        coalesce((select jsonb_object_agg(state, n)
          from (select state, count(*) n from raw_data_package group by state) p), '{}') as packages,
        coalesce((select jsonb_object_agg(status, n)
          from (select status, count(*) n from data_transfer group by status) t), '{}') as transfers`,
  });
  return counts.parse(rows[0]);
}

function inOrder<K extends string>(names: readonly K[], found: StateCounts): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, found[name] ?? 0])) as Record<K, number>;
}
