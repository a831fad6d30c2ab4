import pg from 'pg';
import { parseJson } from '../values/json.ts';

export interface PostgresSettings {
  readonly url: string;
  readonly applicationName: string;
  readonly maxConnections?: number;
  readonly connectTimeoutMilliseconds?: number;
  /** time-out of a statement at the server; the client stops waiting 2 s later */
  readonly statementTimeoutMilliseconds?: number;
  /** a connection that was idle for longer is checked before use */
  readonly suspectAfterMilliseconds?: number;
  /** time-out of that check, longer than a round trip of any link */
  readonly checkMilliseconds?: number;
}

/**
 * A pool with a time-out for every wait: connecting, statements and idle connections. A link that drops packets raises no error by
 * itself.
 */
export function connectPostgres(settings: PostgresSettings): pg.Pool {
  const statementTimeout = settings.statementTimeoutMilliseconds ?? 10_000;
  const pool = new CheckedPool(
    settings.suspectAfterMilliseconds ?? 10_000,
    settings.checkMilliseconds ?? 1500,
    {
      connectionString: settings.url,
      application_name: settings.applicationName,
      max: settings.maxConnections ?? 1,
      connectionTimeoutMillis: settings.connectTimeoutMilliseconds ?? 3000,
      statement_timeout: statementTimeout,
      query_timeout: statementTimeout + 2000,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      allowExitOnIdle: true,
      // concurrent queries on one connection are sent without waiting for each other
      pipeline: true,
      types: { getTypeParser },
    },
  );
  // A broken connection is replaced when next needed, and its running query fails. The event is emitted in addition, and would end
  // the process without a listener.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/**
 * A pool that never hands out a connection that died while idle. A Lambda is frozen between requests, and a connection lost meanwhile
 * raises no error.
 */
class CheckedPool extends pg.Pool {
  readonly #suspectAfter: number;
  readonly #checkMilliseconds: number;
  readonly #usedAt = new WeakMap<pg.PoolClient, number>();
  /** when the last connection was used that was found dead */
  #deadSince = -Infinity;

  constructor(suspectAfterMilliseconds: number, checkMilliseconds: number, config: pg.PoolConfig) {
    super(config);
    this.#suspectAfter = suspectAfterMilliseconds;
    this.#checkMilliseconds = checkMilliseconds;
    this.on('release', (_error, client) => this.#usedAt.set(client, performance.now()));
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(
    callback: (
      error: Error | undefined,
      client: pg.PoolClient | undefined,
      done: (release?: unknown) => void,
    ) => void,
  ): void;
  override connect(
    callback?: (
      error: Error | undefined,
      client: pg.PoolClient | undefined,
      done: (release?: unknown) => void,
    ) => void,
  ): Promise<pg.PoolClient> | undefined {
    const connecting = this.#connectAlive();
    if (callback === undefined) return connecting;
    connecting.then(
      (client) => callback(undefined, client, (release) => client.release(release as boolean | undefined)),
      (error: unknown) => callback(error as Error, undefined, () => undefined),
    );
    return undefined;
  }

  async #connectAlive(): Promise<pg.PoolClient> {
    for (;;) {
      const client = await super.connect();
      const usedAt = this.#usedAt.get(client);
      // idle for at least as long as a connection that was dead: checking each would cost the same wait
      if (usedAt !== undefined && usedAt <= this.#deadSince) {
        client.release(true);
        continue;
      }
      // a new connection has just answered
      if (usedAt === undefined || performance.now() - usedAt < this.#suspectAfter) return client;
      try {
        await client.query({ text: 'select 1', query_timeout: this.#checkMilliseconds } as pg.QueryConfig);
        return client;
      } catch {
        this.#deadSince = Math.max(this.#deadSince, usedAt);
        client.release(true);
      }
    }
  }
}

const jsonTypes: ReadonlySet<number> = new Set([pg.types.builtins.JSON, pg.types.builtins.JSONB]);

/** JSON columns keep the digits of their numbers. */
const getTypeParser: typeof pg.types.getTypeParser = (id: number, format?: 'text' | 'binary') =>
  jsonTypes.has(id) && format !== 'binary' ? parseJson : (pg.types.getTypeParser(id, format) as never);

/** Executes single statements: a pool or one of its clients. */
export type Database = Pick<pg.Pool, 'query'>;
export type { Pool, PoolClient } from 'pg';
