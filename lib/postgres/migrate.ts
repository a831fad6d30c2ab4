import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { buildIndexes } from './indexes.ts';
import { installFunctions } from './install-functions.ts';
import { releaseSchema } from './release.ts';
import { maintainStateCounts } from './state-counts.ts';

const countMilliseconds = 60_000;

/**
 * Migrates the database at `url`: tables, indexes, counters, then the functions of this release. Concurrent calls wait for each other.
 * @param directory of the migrations, next to that of the functions
 * @returns names of the migrations, indexes and schema that were created
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
      log(`Counting rows by state failed; the processor will do it later: ${String(error)}`),
    );
    const isInstalled = await installFunctions(client, join(directory, '../functions'));
    return [...done.map(({ name }) => name), ...built, ...(isInstalled ? [releaseSchema] : [])];
  } finally {
    await client.end();
  }
}
