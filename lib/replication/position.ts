import type { Database } from '../postgres/connect.ts';
import { readLsn } from '../values/lsn.ts';

/** A replica is near: one that does not tell its position within this hangs. */
const positionMilliseconds = 1000;

/**
 * How far a replica has replayed, as a number to compare.
 * @returns undefined if it is not a standby (it was promoted, and goes its own way) or does not answer: unknown counts as behind
 */
export async function replayedLsn(database: Database): Promise<bigint | undefined> {
  return askPosition(database).catch(() => undefined);
}

/** @returns undefined if it is not a standby @throws if it does not answer */
export async function askPosition(database: Database): Promise<bigint | undefined> {
  const query = {
    name: 'replayed-lsn',
    text: 'select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end as lsn',
    // of this query alone; the driver's types do not know it
    query_timeout: positionMilliseconds,
  };
  const { rows } = await database.query<{ lsn: string | null }>(query);
  const lsn = rows[0]?.lsn;
  return lsn ? readLsn(lsn).value : undefined;
}
