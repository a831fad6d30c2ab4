/** Takes a quiesced stack from one example of a property to the next. */
import { expect } from 'vitest';
import { applyByHand, settleByHand } from '../support/by-hand.ts';
import { eventually } from '../support/eventually.ts';
import type { TestStack } from '../support/test-stack.ts';

/** Removes all observations and all buffered or set-aside transactions. */
export async function emptyObservatory(stack: TestStack): Promise<void> {
  await stack.replica.query('select pg_wal_replay_resume()');
  await settleByHand(stack);
  await stack.main.query(
    'delete from raw_data_file where executed_obs_unit_id is not null; delete from executed_obs_unit; delete from inbox',
  );
  await caughtUp(stack);
}

/** Waits until the replica has replayed everything that main has written. */
export async function caughtUp({ main, replica }: TestStack): Promise<void> {
  const { rows } = await main.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  await eventually(async () => {
    const reached = await replica.query<{ isThere: boolean }>(
      'select pg_last_wal_replay_lsn() >= $1::pg_lsn as "isThere"',
      [rows[0]?.lsn],
    );
    expect(reached.rows[0]?.isThere).toBe(true);
  });
}

/** Runs the processor until no transaction is pending. @returns the number of calls */
export async function applyAll(stack: TestStack, atMost = 10): Promise<number> {
  const { redisClient, keys } = stack;
  for (let calls = 1; calls <= atMost; calls += 1) {
    await applyByHand(stack);
    if ((await redisClient.zcard(keys.pending)) === 0) return calls;
  }
  throw new Error(`transactions are still pending after ${atMost} calls`);
}
