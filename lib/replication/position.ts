import type { Database } from '../postgres/connect.ts';
import { readLsn } from '../values/lsn.ts';

/** Replicas are near: one that does not answer within this time counts as hanging. */
const positionMilliseconds = 1000;

/**
 * The LSN up to which a replica has replayed.
 * @returns undefined if it is not a standby (it was promoted) or does not answer
 */
export async function replayedLsn(database: Database): Promise<bigint | undefined> {
  return readPosition(database).catch(() => undefined);
}

/** @returns undefined if it is not a standby @throws if it does not answer */
export async function readPosition(database: Database): Promise<bigint | undefined> {
  const query = {
    name: 'replayed-lsn',
    text: 'select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end as lsn',
    // for this query only; missing in the driver's types
    query_timeout: positionMilliseconds,
  };
  const { rows } = await database.query<{ lsn: string | null }>(query);
  const lsn = rows[0]?.lsn;
  return lsn ? readLsn(lsn).value : undefined;
}
