import { runner } from 'node-pg-migrate';

/** Brings the schema of the database at `url` up to date. Several at once wait for each other. */
export async function migrate(
  url: string,
  directory: string,
  log: (message: string) => void,
): Promise<string[]> {
  const done = await runner({
    databaseUrl: { connectionString: url, connectionTimeoutMillis: 10_000 },
    dir: directory,
    direction: 'up',
    migrationsTable: 'schema_migration',
    checkOrder: true,
    logger: { debug: () => undefined, info: log, warn: log, error: log },
  });
  return done.map(({ name }) => name);
}
