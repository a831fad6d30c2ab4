import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { buildIndexes } from './indexes.ts';
import { installFunctions } from './install-functions.ts';
import { releaseSchema } from './release.ts';
import { maintainStateCounts } from './state-counts.ts';

const countMilliseconds = 60_000;

/**
 * Brings the database at `url` up to date: tables, indexes, counters, then the functions of this release. Several at once wait for
 * each other.
 * @param directory of the migrations; that of the functions stands beside it
 * @returns what was done
 */
export async function migrate(
  url: string,
  directory: string,
  log: (message: string) => void,
): Promise<string[]> {
  const connection = { connectionString: url, connectionTimeoutMillis: 10_000 };
  const done = await runner({
    databaseUrl: connection,
    dir: directory,
    direction: 'up',
    migrationsTable: 'schema_migration',
    checkOrder: true,
    logger: { debug: () => undefined, info: log, warn: log, error: log },
  });
  const client = new pg.Client(connection);
  await client.connect();
  try {
    const built = await buildIndexes(client);
    await maintainStateCounts(client, countMilliseconds).catch((error: unknown) =>
      log(`Rows by state are counted by the processor later: ${String(error)}`),
    );
    const isInstalled = await installFunctions(client, join(directory, '../functions'));
    return [...done.map(({ name }) => name), ...built, ...(isInstalled ? [releaseSchema] : [])];
  } finally {
    await client.end();
  }
}
