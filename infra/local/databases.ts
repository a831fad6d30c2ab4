/** Main with its schema, the link to it, and the replicas at the site. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { migrate } from '../../lib/postgres/migrate.ts';
import { startLink, type Link } from './link.ts';
import type { Parts } from './parts.ts';
import { createClusters, rebuildReplica, startMain, startReplica, type PostgresServer } from './postgres.ts';
import { seed } from './seed.ts';

export type Replica = PostgresServer & { readonly name: string };

export interface Databases {
  readonly main: PostgresServer;
  /** the URL of main as the site reaches it */
  readonly mainThroughLink: string;
  readonly link: Link;
  /** nearest first */
  readonly replicas: readonly [Replica, ...Replica[]];
}

interface DatabaseOptions {
  readonly directory: string;
  readonly durable: boolean;
  readonly roundTripMilliseconds: number;
  readonly replicas?: number | undefined;
}

const migrations = fileURLToPath(new URL('../../lib/postgres/migrations', import.meta.url));

export async function startDatabases(
  { directory, durable, roundTripMilliseconds, replicas: count = 1 }: DatabaseOptions,
  parts: Parts,
): Promise<Databases> {
  const postgres = { directory: join(directory, 'postgres'), durable };
  const main = await parts.start('Postgres main', async (onLine) => {
    await createClusters(postgres);
    return parts.keep(await startMain({ ...postgres, onLine }));
  });
  const link = parts.keep(await startLink({ targetPort: main.port, roundTripMilliseconds }));
  await parts.start('schema of main', async (onLine) => {
    await migrate(main.url, migrations, onLine);
    await seed(main.url);
  });
  const startNamed = (name: string) =>
    parts.start(`Postgres replica ${name}`, async (onLine) => {
      const server = await startReplica({ ...postgres, mainPort: link.port, name, onLine });
      return { name, ...parts.keep(server) };
    });
  const replicas: [Replica, ...Replica[]] = [await startNamed('site')];
  for (let n = 2; n <= count; n += 1) {
    await rebuildReplica(postgres, main.url, `site_${n}`);
    replicas.push(await startNamed(`site_${n}`));
  }
  return { main, mainThroughLink: throughLink(main, link), link, replicas };
}

function throughLink(main: PostgresServer, link: Link): string {
  const url = new URL(main.url);
  url.port = String(link.port);
  return url.href;
}
