/** Indexes that are built concurrently with writes. A migration would block writes meanwhile. */
import type { Client } from 'pg';

/** A trigger stamps these fields when plain SQL changes the planned unit or the start of a row. */
export const isMoved = "(field_stamps ? 'obs_unit_id' or field_stamps ? 'start_time')";

const state = 'inbox_state(outcome, parked_for, overdue)';

const indexes: Readonly<Record<string, string>> = {
  /** for lists and counts by state, newest first; only used by queries with `outcome <> 'applied'` */
  inbox_by_state: `inbox (${state}, stamp desc, transaction_id desc) where outcome <> 'applied'`,
  /** for transactions by the row that they wait for */
  inbox_awaited: `inbox (hashtextextended(waits_for, 0)) where outcome = 'parked' and parked_for = 'start' and waits_for is not null`,
  /** for transactions of several aggregates, by each of them */
  inbox_aggregates: 'inbox using gin (aggregates) where aggregates is not null',
  inbox_alias: 'inbox (alias) where alias is not null',
  /** for lists of executed units: parked transactions by the start of their unit */
  inbox_parked_start: "inbox (start_time desc, aggregate_id desc) where outcome = 'parked'",
  inbox_parked_unit: "inbox (obs_unit_id, start_time desc, aggregate_id desc) where outcome = 'parked'",
  /** for rows whose planned unit or start was changed by plain SQL */
  executed_obs_unit_moved: `executed_obs_unit (start_time desc, id desc) where ${isMoved}`,
};

/** Serializes builds. The lock is polled, because a statement waiting for it would block `create index concurrently`. */
const lockId = 7307;
const pauseMilliseconds = 500;

/** Builds missing indexes, and those that an earlier attempt left invalid. */
export async function buildIndexes(client: Client): Promise<string[]> {
  const built: string[] = [];
  await lock(client);
  try {
    for (const [name, definition] of Object.entries(indexes)) {
      const { rows } = await client.query<{ valid: boolean }>(
        'select indisvalid as valid from pg_index where indexrelid = to_regclass($1)',
        [name],
      );
      if (rows[0]?.valid === true) continue;
      if (rows[0]) await client.query(`drop index concurrently ${name}`);
      await client.query(`create index concurrently ${name} on ${definition}`);
      built.push(name);
    }
  } finally {
    await client.query('select pg_advisory_unlock($1)', [lockId]).catch(() => undefined);
  }
  return built;
}

async function lock(client: Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ ours: boolean }>('select pg_try_advisory_lock($1) as ours', [
      lockId,
    ]);
    if (rows[0]?.ours) return;
    await new Promise((resume) => setTimeout(resume, pauseMilliseconds));
  }
}
