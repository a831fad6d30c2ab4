/** The site's replicas: which one may answer a read, and how far each has replayed. */
import * as z from 'zod/mini';
import { Unavailable } from '../errors.ts';
import { connectPostgres, type Database, type Pool, type PoolClient } from '../postgres/connect.ts';
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
 * Reads from the first standby that has replayed at least the floor, on one connection. Its position is asked before the
 * read, in a statement of its own (inside one statement the snapshot would be older than the position), and while the floor
 * is still being asked for: a position only rises.
 * @param asked what must be known before the read, with the floor
 * @throws Unavailable if there is none; whatever `asked` throws
 */
export async function readFromReplica<T>(
  replicas: readonly Replica[],
  asked: Promise<{ readonly floor: bigint }>,
  read: (database: Database) => Promise<T>,
): Promise<T> {
  let cause: unknown = new Error('every replica is behind what it must have');
  asked.catch(() => undefined);
  for (const { pool } of replicas) {
    let client: PoolClient | undefined;
    let isWhole = false;
    try {
      client = await pool.connect();
      const before = await replayedLsn(client);
      const { floor } = await asked;
      // undefined: it was promoted, and goes its own way
      const hasReached = (position: bigint | undefined) => position !== undefined && position >= floor;
      if (hasReached(before) || (before !== undefined && hasReached(await replayedLsn(client)))) {
        const result = await read(client);
        isWhole = true;
        return result;
      }
      isWhole = before !== undefined;
    } catch (error) {
      cause = error;
    } finally {
      client?.release(!isWhole);
    }
    await asked;
  }
  throw new Unavailable('replica', { cause });
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
