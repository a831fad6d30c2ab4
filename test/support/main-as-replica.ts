/** Main, read as a standby that has replayed everything. */
import type pg from 'pg';
import type { Pool } from '../../lib/postgres/connect.ts';
import type { Replica } from '../../lib/replication/replicas.ts';

export interface MainAsReplica extends Replica {
  /** the answers to record queries */
  readonly answers: Readonly<Record<string, unknown>>[];
}

const position = { text: 'select pg_current_wal_lsn()::text as lsn' };

export function mainAsReplica(main: pg.Pool): MainAsReplica {
  const answers: Record<string, unknown>[] = [];
  const query = async (config: pg.QueryConfig) => {
    const answer = await main.query<Record<string, unknown>>(
      config.name === 'replayed-lsn' ? position : config,
    );
    if (answer.rows[0] && 'executed_obs_unit' in answer.rows[0]) answers.push(answer.rows[0]);
    return answer;
  };
  const pool = { query, connect: async () => ({ query, release: () => undefined }) } as unknown as Pool;
  return { name: 'main', pool, answers };
}
