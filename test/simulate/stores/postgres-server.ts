/** The real server that a simulation runs the functions of main on, with clocks of the schema that read the virtual one. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createClusters, startMain, type PostgresServer as Server } from '../../../infra/local/postgres.ts';
import { seed } from '../../../infra/local/seed.ts';
import { migrate } from '../product.ts';

/** Tables that a history changes: those with an inbox, and what is written with it. */
export interface Tables {
  readonly changed: readonly string[];
}

/**
 * The clocks of the schema. What the functions of main ask is found here before the server's own. No two readings are equal
 * unless they are of one call.
 */
const clockSql = `
  create schema sim;
  create function sim.clock_timestamp() returns timestamptz language sql stable
    return timestamptz 'epoch' + current_setting('sim.now')::bigint * interval '1 microsecond';
  create function sim.now() returns timestamptz language sql stable return sim.clock_timestamp();`;

const path = 'sim, pg_catalog, public';

export class PostgresServer {
  readonly #server: Server;
  readonly #directory: string;
  readonly tables: Tables;

  private constructor(server: Server, directory: string, tables: Tables) {
    this.#server = server;
    this.#directory = directory;
    this.tables = tables;
  }

  static async start(): Promise<PostgresServer> {
    const directory = await mkdtemp(join(tmpdir(), 'ops-db-simulate-'));
    const options = { directory: join(directory, 'postgres'), durable: false };
    await createClusters(options);
    const server = await startMain(options);
    const migrations = fileURLToPath(new URL('../../../lib/postgres/migrations', import.meta.url));
    await migrate(server.url, migrations, () => undefined);
    await seed(server.url);
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    const tables = await prepare(client);
    await client.end();
    return new PostgresServer(server, directory, tables);
  }

  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#server.url });
    await client.connect();
    await client.query(`set search_path = ${path}; set sim.now = '0'; set jit = off`);
    return client;
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function prepare(client: pg.Client): Promise<Tables> {
  await client.query(clockSql);
  const { rows: defaults } = await client.query<{ at: string; column: string }>(`
    select format('%I', table_name) as at, format('%I', column_name) as column from information_schema.columns
    where table_schema = 'public' and column_default ~ '(clock_timestamp|now)\\(\\)|CURRENT_TIMESTAMP'`);
  for (const { at, column } of defaults) {
    await client.query(`alter table ${at} alter column ${column} set default sim.clock_timestamp()`);
  }
  // functions that set a path of their own
  const { rows: functions } = await client.query<{ name: string; path: string }>(`
    select p.oid::regprocedure::text as name, substring(setting from '^search_path=(.*)$') as path
    from pg_proc p, unnest(p.proconfig) setting where setting like 'search\\_path=%'`);
  for (const each of functions) {
    await client.query(`alter function ${each.name} set search_path = sim, pg_catalog, ${each.path}`);
  }
  const { rows } = await client.query<{ name: string }>(`
    select table_name as name from information_schema.tables t
    where table_schema = 'public' and table_type = 'BASE TABLE' and (
      table_name in ('inbox', 'tombstone', 'transaction_audit', 'change_outbox', 'change_outbox_pruned', 'unreadable_message')
      or exists (select from information_schema.columns c where c.table_name = t.table_name and c.column_name = 'field_stamps'))
    order by table_name`);
  return { changed: rows.map(({ name }) => name) };
}
