/** The site's replicas: which one may answer a read, and how far each has replayed. */
import { StatementTooSlow, ReplicaUnavailable } from './errors.ts';
import { connectPostgres, type Database, type Pool, type PoolClient } from '../postgres/connect.ts';
import { readFailureOf } from '../postgres/failure.ts';
import { releaseSchema } from '../postgres/release.ts';
import { sqlStateOf } from '../postgres/sql-state.ts';
import { readLsn } from '../values/lsn.ts';
import { askPosition } from './position.ts';
import { inOrder, noteAnswer, noteFailure } from './preference.ts';

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
 * Reads from a standby that has replayed at least the floor, on one connection: the nearest that is not behind the others, or
 * else the next. Its position is asked before the read, in a statement of its own (inside one statement the snapshot would be
 * older than the position), and while the floor is still being asked for: a position only rises.
 * @param asked what must be known before the read, with the floor
 * @param read is given a position that the snapshot of its statements has at least
 * @throws ReplicaUnavailable if there is none; StatementTooSlow; whatever `asked` throws; a defect of the read as it is
 */
export async function readFromReplica<T>(
  replicas: readonly Replica[],
  asked: Promise<{ readonly floor: bigint }>,
  read: (database: Database, position: bigint) => Promise<T>,
): Promise<T> {
  asked.catch(() => undefined);
  let cause: unknown = new Error('every replica is behind what it must have, or hangs');
  for (const replica of await inOrder(replicas)) {
    try {
      const answer = await readFromOne(replica, asked, read);
      if (answer !== undefined) return answer.result;
    } catch (error) {
      // of `asked` itself: no replica can mend it
      await asked;
      const failure = readFailureOf(error);
      if (failure === 'slow') throw new StatementTooSlow({ cause: error });
      if (failure === 'defect' && !(await lacksRelease(replica, error))) throw error;
      noteFailure(replica, error);
      cause = error;
    }
    await asked;
  }
  throw new ReplicaUnavailable({ cause });
}

/** @returns undefined if it has not replayed the floor, or was promoted */
async function readFromOne<T>(
  replica: Replica,
  asked: Promise<{ readonly floor: bigint }>,
  read: (database: Database, position: bigint) => Promise<T>,
): Promise<{ readonly result: T } | undefined> {
  let client: PoolClient | undefined;
  let isWhole = false;
  try {
    client = await replica.pool.connect();
    let position = await askPosition(client);
    noteAnswer(replica, position);
    const { floor } = await asked;
    if (position !== undefined && position < floor) position = await askPosition(client);
    if (position === undefined || position < floor) {
      isWhole = true;
      return undefined;
    }
    const result = await read(client, position);
    isWhole = true;
    return { result };
  } finally {
    // a connection that failed once may be half dead
    client?.release(!isWhole);
  }
}

/** undefined table, function, column, type and schema */
const undefinedObjects = ['42P01', '42883', '42703', '42704', '3F000'];

/**
 * Whether a statement failed because the replica has not replayed the migration of this release yet: it was deployed while
 * replication was behind. A statement that fails at a replica with the release's schema is a defect.
 */
async function lacksRelease({ pool }: Replica, error: unknown): Promise<boolean> {
  if (!undefinedObjects.includes(sqlStateOf(error) ?? '')) return false;
  const sql = 'select to_regnamespace($1) is null as lacks';
  const { rows } = await pool.query<{ lacks: boolean }>(sql, [releaseSchema]);
  return rows[0]?.lacks ?? false;
}

/** For reads of what is never buffered: any standby may answer. */
export const noFloor: Promise<{ readonly floor: bigint }> = Promise.resolve({ floor: 0n });

export interface ReplicaState {
  readonly name: string;
  readonly answers: boolean;
  /** false: it was promoted. It answers no reads, and nothing is cleaned while it is in the list */
  readonly standby: boolean;
  /** undefined if it is no standby or does not answer */
  readonly replayed: bigint | undefined;
  /** whether it receives from its primary now */
  readonly streaming: boolean;
}

/** How each replica stands, for people. */
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
