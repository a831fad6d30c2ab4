/** Starts main with its schema, the link to it, and the replicas at the site. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../../lib/postgres/migrate.ts';
import { createRole, roles } from '../../lib/postgres/roles.ts';
import { startLink, type Link } from './link.ts';
import type { Parts } from './parts.ts';
import { createClusters, rebuildReplica, startMain, startReplica, type PostgresServer } from './postgres.ts';
import { seed } from './seed.ts';

export type Replica = PostgresServer & { readonly name: string };

export interface Databases {
  readonly main: PostgresServer;
  /** the URL by which the site reaches main */
  readonly mainThroughLink: string;
  /** the same as the role of the functions */
  readonly mainForFunctions: string;
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

/** The time that a replica may take to catch up with main at the start. */
const replayMilliseconds = 60_000;

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
    for (const sql of Object.values(roles).flatMap(createRole)) await ask(main.url, sql);
  });
  const startNamed = (name: string) =>
    parts.start(`Postgres replica ${name}`, async (onLine) => {
      const server = parts.keep(await startReplica({ ...postgres, mainPort: link.port, name, onLine }));
      await replayed(main.url, server.url);
      return { name, ...server };
    });
  const replicas: [Replica, ...Replica[]] = [await startNamed('site')];
  for (let n = 2; n <= count; n += 1) {
    await rebuildReplica(postgres, main.url, `site_${n}`);
    replicas.push(await startNamed(`site_${n}`));
  }
  const mainThroughLink = throughLink(main, link);
  return {
    main,
    mainThroughLink,
    mainForFunctions: as(roles.functions.name, mainThroughLink),
    link,
    replicas,
  };
}

/**
 * Waits until a replica has everything that main has now, schema and seed included, so that it can answer even if the link is
 * cut as soon as the stack is up.
 * @throws Error if that takes more than a minute
 */
async function replayed(mainUrl: string, replicaUrl: string): Promise<void> {
  const lsn = await ask<string>(mainUrl, 'select pg_current_wal_lsn() as answer');
  const deadline = Date.now() + replayMilliseconds;
  for (;;) {
    // a replica that has not replayed the creation of the database refuses the connection
    const isReplayed = await ask<boolean>(
      replicaUrl,
      `select pg_last_wal_replay_lsn() >= '${lsn}' as answer`,
    ).catch(() => false);
    if (isReplayed) return;
    if (Date.now() > deadline) throw new Error(`the replica has not replayed main up to ${lsn}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

async function ask<T>(url: string, sql: string): Promise<T | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ answer: T }>(sql);
    return rows[0]?.answer;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The same database, reached as another role. */
export function as(role: string, url: string): string {
  const changed = new URL(url);
  changed.username = role;
  return changed.href;
}

function throughLink(main: PostgresServer, link: Link): string {
  const url = new URL(main.url);
  url.port = String(link.port);
  return url.href;
}
