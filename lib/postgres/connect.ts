import pg from 'pg';
import { parseJson } from '../values/json.ts';

export interface PostgresSettings {
  readonly url: string;
  readonly applicationName: string;
  readonly maxConnections?: number;
  readonly connectTimeoutMilliseconds?: number;
  /** for the server to give up a statement, and a little later for us to give up the server */
  readonly statementTimeoutMilliseconds?: number;
}

/**
 * A pool whose every wait ends: connecting, a statement, an idle connection. A link that swallows packets raises no
 * error by itself.
 */
export function connectPostgres(settings: PostgresSettings): pg.Pool {
  const statementTimeout = settings.statementTimeoutMilliseconds ?? 10_000;
  const pool = new pg.Pool({
    connectionString: settings.url,
    application_name: settings.applicationName,
    max: settings.maxConnections ?? 1,
    connectionTimeoutMillis: settings.connectTimeoutMilliseconds ?? 3000,
    statement_timeout: statementTimeout,
    query_timeout: statementTimeout + 2000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    allowExitOnIdle: true,
    types: { getTypeParser },
  });
  // A connection that breaks is replaced when it is next needed. In use it tells its query; the event comes besides, and
  // would end the process if nobody listened.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

const jsonTypes: ReadonlySet<number> = new Set([pg.types.builtins.JSON, pg.types.builtins.JSONB]);

/** JSON columns keep the digits of their numbers. */
const getTypeParser: typeof pg.types.getTypeParser = (id: number, format?: 'text' | 'binary') =>
  jsonTypes.has(id) && format !== 'binary' ? parseJson : (pg.types.getTypeParser(id, format) as never);

/** What a single statement can be asked of: a pool or one of its clients. */
export type Database = Pick<pg.Pool, 'query'>;
export type { Pool, PoolClient } from 'pg';
