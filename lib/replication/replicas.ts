/** The site's replicas: which one may answer a read, and how far each has replayed. */
import * as z from 'zod/mini';
import { Unavailable } from '../errors.ts';
import { connectPostgres, type Database, type Pool } from '../postgres/connect.ts';
import { readLsn } from './lsn.ts';

export const replicaList = z.array(z.object({ name: z.string(), url: z.string() })).check(z.minLength(1));

export interface Replica {
  readonly name: string;
  readonly pool: Pool;
}

export function connectReplicas(
  list: z.infer<typeof replicaList>,
  options: { readonly applicationName: string; readonly statementTimeoutMilliseconds?: number },
): Replica[] {
  return list.map(({ name, url }) => ({
    name,
    pool: connectPostgres({ url, maxConnections: 2, connectTimeoutMilliseconds: 2000, ...options }),
  }));
}

/**
 * How far a replica has replayed, as a number to compare.
 * @returns undefined if it is no standby (promoted) or does not answer: unknown counts as behind
 */
export async function replayedLsn(database: Database): Promise<bigint | undefined> {
  try {
    const { rows } = await database.query<{ lsn: string | null }>({
      name: 'replayed-lsn',
      text: 'select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end as lsn',
    });
    const lsn = rows[0]?.lsn;
    return lsn ? readLsn(lsn).value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads from the first replica that has replayed at least `floor`, on one connection. The position is asked before the
 * read, in a statement of its own: inside one statement the snapshot would be older than the position.
 * @throws Unavailable if there is none
 */
export async function readFromReplica<T>(
  replicas: readonly Replica[],
  floor: bigint,
  read: (database: Database) => Promise<T>,
): Promise<T> {
  let cause: unknown = new Error('every replica is behind what it must have');
  for (const { pool } of replicas) {
    try {
      const client = await pool.connect();
      let broken = true;
      try {
        const replayed = floor > 0n ? await replayedLsn(client) : 0n;
        const result = replayed !== undefined && replayed >= floor ? await read(client) : undefined;
        broken = false;
        if (result !== undefined) return result;
      } finally {
        client.release(broken);
      }
    } catch (error) {
      cause = error;
    }
  }
  throw new Unavailable('replica', { cause });
}

export interface ReplicaState {
  readonly name: string;
  /** undefined if it is no standby or does not answer */
  readonly replayed: bigint | undefined;
  /** whether it receives from its primary now */
  readonly streaming: boolean;
}

/** How each replica stands, for people. */
export async function readReplicaStates(replicas: readonly Replica[]): Promise<ReplicaState[]> {
  return Promise.all(
    replicas.map(async ({ name, pool }) => {
      const replayed = await replayedLsn(pool);
      if (replayed === undefined) return { name, replayed, streaming: false };
      const { rowCount } = await pool.query("select from pg_stat_wal_receiver where status = 'streaming'");
      return { name, replayed, streaming: rowCount === 1 };
    }),
  );
}
