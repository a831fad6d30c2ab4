import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { createClusters, startMain } from '../../infra/local/postgres.ts';
import { seed } from '../../infra/local/seed.ts';
import { testPool } from './test-pool.ts';
import { migrate } from '../../lib/postgres/migrate.ts';

export interface TestMain {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly stop: () => Promise<void>;
}

/** Starts a main database with schema and reference data, without a replica. */
export async function startTestMain(): Promise<TestMain> {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  const options = { directory: join(directory, 'postgres'), durable: false };
  await createClusters(options);
  const server = await startMain(options);
  await migrate(
    server.url,
    fileURLToPath(new URL('../../lib/postgres/migrations', import.meta.url)),
    () => undefined,
  );
  await seed(server.url);
  const pool = testPool(server.url);
  return {
    url: server.url,
    pool,
    stop: async () => {
      await pool.end();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
