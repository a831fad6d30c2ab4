/** Indexes that are built beside running writes. A migration would lock them out for as long as that takes. */
import type { Client } from 'pg';

/** Stamped by a trigger when others change the planned unit or the start of a row. */
export const isMoved = "(field_stamps ? 'obs_unit_id' or field_stamps ? 'start_time')";

const state = 'inbox_state(outcome, parked_for, overdue)';

const indexes: Readonly<Record<string, string>> = {
  /** lists and counts by state, the newest first; a query must say `outcome <> 'applied'` to use it */
  inbox_by_state: `inbox (${state}, stamp desc, transaction_id desc) where outcome <> 'applied'`,
  /** by what is waited for */
  inbox_awaited: `inbox (hashtextextended(waits_for, 0)) where outcome = 'parked' and parked_for = 'start' and waits_for is not null`,
  /** what belongs to several aggregates, by each of them */
  inbox_aggregates: 'inbox using gin (aggregates) where aggregates is not null',
  inbox_alias: 'inbox (alias) where alias is not null',
  /** lists of executed units: what is parked, by the start of its unit */
  inbox_parked_start: "inbox (start_time desc, aggregate_id desc) where outcome = 'parked'",
  inbox_parked_unit: "inbox (obs_unit_id, start_time desc, aggregate_id desc) where outcome = 'parked'",
  /** rows that others have moved to another planned unit or start */
  executed_obs_unit_moved: `executed_obs_unit (start_time desc, id desc) where ${isMoved}`,
};

/** One builds at a time. Whoever waited for the lock in a statement would hold up the building of an index. */
const lockId = 7307;
const pauseMilliseconds = 500;

/** Builds what is missing, and what an earlier try has left unfinished. */
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
