/**
 * A replica that advances only when `replay` is called: a transaction on main that keeps its snapshot. It shows main as of one
 * commit, like a standby whose replay is paused.
 */
import pg from 'pg';
import type { Pool } from '../../../lib/postgres/connect.ts';
import { readLsn } from '../../../lib/values/lsn.ts';
import type { Replica } from '../../../lib/replication/replicas.ts';

const tables = ['executed_obs_unit', 'tombstone', 'inbox'] as const;

export class SnapshotReplica implements Replica {
  readonly name: string;
  readonly pool: Pool;
  /** runs immediately before and after each statement except the query for the position */
  around: () => Promise<void> = async () => undefined;
  /** its queries time out */
  hangs = false;
  /** how many commits of the model it has replayed */
  seen = 0;
  #client: pg.Client;
  #lsn = '0/0';

  private constructor(name: string, client: pg.Client) {
    this.name = name;
    this.#client = client;
    const query = async (config: { name?: string }) => {
      if (this.hangs) throw new Error('Query read timeout');
      if (config.name === 'replayed-lsn') return { rows: [{ lsn: this.#lsn }] };
      await this.around();
      const answer = await this.#client.query(config as pg.QueryConfig);
      await this.around();
      return answer;
    };
    const connected = { query, release: () => undefined };
    this.pool = { query, connect: async () => connected } as unknown as Pool;
  }

  static async start(name: string, mainUrl: string): Promise<SnapshotReplica> {
    const client = new pg.Client({ connectionString: mainUrl });
    await client.connect();
    return new SnapshotReplica(name, client);
  }

  get lsn(): bigint {
    return readLsn(this.#lsn).value;
  }

  /** Catches up with main. @param commits of main so far */
  async replay(commits: number): Promise<void> {
    this.seen = commits;
    await this.#client.query('rollback');
    const { rows } = await this.#client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    await this.#client.query('begin isolation level repeatable read read only');
    await this.#client.query('select count(*) from inbox');
    this.#lsn = rows[0]?.lsn ?? '0/0';
  }

  /** Exchanges its state with the other replica. */
  swap(other: SnapshotReplica): void {
    [this.#client, other.#client] = [other.#client, this.#client];
    [this.#lsn, other.#lsn] = [other.#lsn, this.#lsn];
    [this.seen, other.seen] = [other.seen, this.seen];
  }

  /** Sets main to the state of this replica, so that main loses later commits. */
  async promoteInto(main: pg.Pool): Promise<void> {
    const client = await main.connect();
    await client.query('begin; set local session_replication_role = replica');
    for (const table of tables) {
      const { rows } = await this.#client.query<{ all: unknown }>(
        `select coalesce(jsonb_agg(to_jsonb(t)), '[]') as all from ${table} t`,
      );
      await client.query(`delete from ${table}`);
      await client.query(`insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1)`, [
        JSON.stringify(rows[0]?.all),
      ]);
    }
    await client.query('commit');
    client.release();
  }

  async stop(): Promise<void> {
    await this.#client.end();
  }
}
