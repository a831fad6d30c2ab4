/** Brings a stack that moves by hand from one example of a property to the next. */
import { expect } from 'vitest';
import { applyByHand, settleByHand } from '../support/by-hand.ts';
import { eventually } from '../support/eventually.ts';
import type { TestStack } from '../support/test-stack.ts';

/** Nothing is observed, buffered or set aside any more. */
export async function emptyObservatory(stack: TestStack): Promise<void> {
  await stack.replica.query('select pg_wal_replay_resume()');
  await settleByHand(stack);
  await stack.main.query(
    'delete from raw_data_file where executed_obs_unit_id is not null; delete from executed_obs_unit; delete from inbox',
  );
  await caughtUp(stack);
}

/** Until the replica has replayed what main has written. */
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

/** Until main has an outcome for everything that is pending. @returns how many calls that took */
export async function applyAll(stack: TestStack, atMost = 10): Promise<number> {
  const { redisClient, keys } = stack;
  for (let calls = 1; calls <= atMost; calls += 1) {
    await applyByHand(stack);
    if ((await redisClient.zcard(keys.pending)) === 0) return calls;
  }
  throw new Error(`after ${atMost} calls there is something pending still`);
}
