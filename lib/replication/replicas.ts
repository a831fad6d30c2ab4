/** The site's replicas: reading from a suitable one, and the state of each. */
import { StatementTooSlow, ReplicaUnavailable } from './errors.ts';
import { connectPostgres, type Database, type Pool, type PoolClient } from '../postgres/connect.ts';
import { readFailureOf } from '../postgres/failure.ts';
import { releaseSchema } from '../postgres/release.ts';
import { sqlStateOf } from '../postgres/sql-state.ts';
import { readLsn } from '../values/lsn.ts';
import { readPosition } from './position.ts';
import { inOrder, recordAnswer, recordFailure } from './preference.ts';

export { replayedLsn } from './position.ts';

export interface Replica {
  readonly name: string;
  readonly pool: Pool;
}

export function connectReplicas(
  list: readonly { readonly name: string; readonly url: string }[],
  options: { readonly applicationName: string; readonly statementTimeoutMilliseconds?: number },
): Replica[] {
  return list.map(({ name, url }) => ({
    name,
    pool: connectPostgres({ url, maxConnections: 2, connectTimeoutMilliseconds: 1000, ...options }),
  }));
}

/**
 * Reads from a standby that has replayed at least the floor, on one connection: the nearest that does not lag behind the others, or
 * else the next. Its position is read before the data, in a separate statement, because within one statement the snapshot would be
 * older than the position. It is read while the floor is still pending, which is safe because a position only increases.
 * @param prerequisite must resolve before the read; contains the floor
 * @param read gets a position that the snapshots of its statements have reached
 * @throws ReplicaUnavailable if no replica qualifies; StatementTooSlow; the error of `prerequisite`; defects of `read`, unchanged
 */
export async function readFromReplica<T>(
  replicas: readonly Replica[],
  prerequisite: Promise<{ readonly floor: bigint }>,
  read: (database: Database, position: bigint) => Promise<T>,
): Promise<T> {
  prerequisite.catch(() => undefined);
  let cause: unknown = new Error('every replica is below the floor, was promoted, or hangs');
  for (const replica of await inOrder(replicas)) {
    try {
      const answer = await readFromOne(replica, prerequisite, read);
      if (answer !== undefined) return answer.result;
    } catch (error) {
      // if the prerequisite itself failed, no other replica can help
      await prerequisite;
      const failure = readFailureOf(error);
      if (failure === 'slow') throw new StatementTooSlow({ cause: error });
      if (failure === 'defect' && !(await lacksRelease(replica, error))) throw error;
      recordFailure(replica, error);
      cause = error;
    }
    await prerequisite;
  }
  throw new ReplicaUnavailable({ cause });
}

/** @returns undefined if it has not replayed the floor, or was promoted */
async function readFromOne<T>(
  replica: Replica,
  prerequisite: Promise<{ readonly floor: bigint }>,
  read: (database: Database, position: bigint) => Promise<T>,
): Promise<{ readonly result: T } | undefined> {
  let client: PoolClient | undefined;
  let hasSucceeded = false;
  try {
    client = await replica.pool.connect();
    let position = await readPosition(client);
    recordAnswer(replica, position);
    const { floor } = await prerequisite;
    if (position !== undefined && position < floor) position = await readPosition(client);
    if (position === undefined || position < floor) {
      hasSucceeded = true;
      return undefined;
    }
    const result = await read(client, position);
    hasSucceeded = true;
    return { result };
  } finally {
    // a connection that failed once may be unusable
    client?.release(!hasSucceeded);
  }
}

/** undefined table, function, column, type and schema */
const undefinedObjects = ['42P01', '42883', '42703', '42704', '3F000'];

/**
 * Whether a statement failed because the replica has not replayed the migration of this release yet. At a replica with the schema of the
 * release, such a failure is a defect.
 */
async function lacksRelease({ pool }: Replica, error: unknown): Promise<boolean> {
  if (!undefinedObjects.includes(sqlStateOf(error) ?? '')) return false;
  const sql = 'select to_regnamespace($1) is null as lacks';
  const { rows } = await pool.query<{ lacks: boolean }>(sql, [releaseSchema]);
  return rows[0]?.lacks ?? false;
}

/** For reads of data that is never buffered: any standby may answer. */
export const noFloor: Promise<{ readonly floor: bigint }> = Promise.resolve({ floor: 0n });

export interface ReplicaState {
  readonly name: string;
  readonly answers: boolean;
  /** false if it was promoted: it answers no reads, and blocks cleaning until it is removed from the list */
  readonly standby: boolean;
  /** undefined if it is not a standby or does not answer */
  readonly replayed: bigint | undefined;
  /** whether it is receiving WAL from its primary */
  readonly streaming: boolean;
}

/** The state of each replica, for the report. */
export async function readReplicaStates(replicas: readonly Replica[]): Promise<ReplicaState[]> {
  return Promise.all(
    replicas.map(async ({ name, pool }) => {
      try {
        const { rows } = await pool.query<{ lsn: string | null; standby: boolean; streaming: boolean }>(`
          select pg_is_in_recovery() as standby,
            case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end as lsn,
            exists (select from pg_stat_wal_receiver where status = 'streaming') as streaming`);
        const [{ standby, lsn, streaming } = { standby: false, lsn: null, streaming: false }] = rows;
        return { name, answers: true, standby, replayed: lsn ? readLsn(lsn).value : undefined, streaming };
      } catch {
        return { name, answers: false, standby: false, replayed: undefined, streaming: false };
      }
    }),
  );
}
