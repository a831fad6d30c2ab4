/** `npm start` as a user sees it: its output, its files, and its single instance. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { StackDescription } from '../../infra/local/stack.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../../infra/local/ports.ts';
import { apiOf, startUnit } from '../support/test-stack.ts';

// several starts each, on a machine of any speed
vi.setConfig({ testTimeout: 600_000, hookTimeout: 120_000 });

const root = fileURLToPath(new URL('../..', import.meta.url));
let directory: string;
let running: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
});
afterEach(async () => {
  for (const child of running)
    if (child.exitCode === null && child.signalCode === null) killGroup(child, 'SIGKILL');
  running = [];
  await eventually(async () => expect(await processesOf(directory)).toEqual([]));
  // an interrupted initdb may still be writing
  await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
});

type Started = ChildProcess & { output: () => string };

/** @param as a command that runs the rest as another user */
function start(environment: NodeJS.ProcessEnv = {}, as: readonly string[] = []): Started {
  const command = [...as, process.execPath, join(root, 'infra/local/start.ts')];
  const child = spawn(command[0] ?? '', command.slice(1), {
    cwd: directory,
    detached: true,
    env: { ...process.env, PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
  running.push(child);
  return Object.assign(child, { output: () => text });
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid !== undefined) process.kill(-pid, signal);
}

/** Waits for the description that `child` writes: an older file may still exist. */
async function described(child: Started): Promise<StackDescription> {
  const file = join(directory, '.local/stack.json');
  while (child.exitCode === null && child.signalCode === null) {
    const text = await readFile(file, 'utf8').catch(() => '{}');
    const stack = JSON.parse(text) as StackDescription;
    if (stack.pid === child.pid) return stack;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  throw new Error(`npm start has ended: ${child.output()}`);
}

async function exitCodeOf(child: ChildProcess): Promise<unknown> {
  const [code] = (await once(child, 'exit')) as unknown[];
  return code;
}

/** A shell script that replaces the Redis server. */
async function programThat(does: string): Promise<string> {
  const path = join(directory, 'redis-stand-in');
  await writeFile(path, `#!/bin/sh\n[ "$1" = --version ] && exec echo 'stand-in v=1'\n${does}\n`, {
    mode: 0o755,
  });
  return path;
}

/** The command lines of processes that contain `part`, such as the directory or a port of the stack. */
async function processesOf(part: string): Promise<string[]> {
  const commands = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(async (pid) =>
        (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' '),
      ),
  );
  return commands.filter((command) => command.includes(part));
}

it('npm start prints where everything is, refuses a second instance, keeps its data and stops completely', async () => {
  const first = start();
  const stack = await described(first);
  expect(first.output()).not.toContain('Error');
  expect(Object.keys(stack)).toEqual([
    'pid',
    'http',
    'page',
    'websocket',
    'tokens',
    'main',
    'replica',
    'redis',
    'sqs',
    'queues',
    'link',
  ]);
  expect(stack.pid).toBe(first.pid);
  const started = await startUnit(apiOf(stack.http, stack.tokens.service));
  expect(started.status).toBe(201);
  await eventually(() => expect(first.output()).toContain('curl'));

  for (const part of ['Postgres main', 'Postgres replica site', 'Redis', 'SQS', 'functions']) {
    expect(first.output()).toMatch(new RegExp(`${part} is up after [0-9.]+ s`));
  }

  const second = start();
  expect(await exitCodeOf(second)).toBe(1);
  expect(second.output()).toContain(String(first.pid));

  process.kill(stack.pid, 'SIGINT');
  await once(first, 'exit');
  expect(first.exitCode).toBe(0);
  expect(existsSync(join(directory, '.local/stack.json'))).toBe(false);
  await eventually(async () => expect(await processesOf(directory)).toEqual([]));

  const again = await described(start());
  expect(again.tokens.service).toBe(stack.tokens.service);
  const api = apiOf(again.http, again.tokens.service);
  expect((await api(`/executed_obs_units/${String(started.body.id)}`)).status).toBe(200);
});

it('npm start leaves no process when its group is killed, and starts again', async () => {
  const first = start();
  const stack = await described(first);
  const ports = [stack.main, stack.replica, stack.redis.url, stack.sqs].map((url) => new URL(url).port);
  const started = await startUnit(apiOf(stack.http, stack.tokens.service));
  killGroup(first, 'SIGKILL');
  await once(first, 'exit');
  for (const port of ports) {
    await eventually(async () =>
      expect(
        (await processesOf(port)).filter((command) => /postgres|redis|process\.ts/.test(command)),
      ).toEqual([]),
    );
  }
  await eventually(async () => expect(await processesOf(directory)).toEqual([]));

  const again = await described(start());
  const read = await apiOf(
    again.http,
    again.tokens.service,
  )(`/executed_obs_units/${String(started.body.id)}`);
  const log = await readFile(join(directory, '.local/stack.log'), 'utf8');
  expect(
    read,
    log
      .split('\n')
      .filter((line) => /"level":"(error|warn)"/.test(line))
      .join('\n'),
  ).toMatchObject({
    status: 200,
    body: { id: started.body.id },
  });
});

it('npm start names a busy port', async () => {
  const { http } = await described(start());
  const other = await mkdtemp(join(tmpdir(), 'ops-db-'));
  const child = spawn(process.execPath, [join(root, 'infra/local/start.ts')], {
    cwd: other,
    env: { ...process.env, PORT: new URL(http).port },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.push(child);
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  expect(await exitCodeOf(child)).toBe(1);
  expect(errors).toContain(`Port ${new URL(http).port} is busy`);
  await rm(other, { recursive: true, force: true });
});

it('npm start answers 503 with Retry-After until it is ready, and keeps its files private', async () => {
  await chmod(directory, 0o755);
  const port = await freePort();
  const http = `http://127.0.0.1:${port}`;
  const child = start({ PORT: String(port) });
  const early = await eventually(() => fetch(`${http}/health`), { timeoutMs: 120_000 });
  expect(early.status).toBe(503);
  expect(Number(early.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(early.headers.get('content-type')).toBe('application/problem+json');
  expect(await early.json()).toMatchObject({ status: 503, recorded: false });
  const stack = await described(child);
  expect((await fetch(`${http}/health`)).status).toBe(200);

  expect((await stat(join(directory, '.local'))).mode & 0o777).toBe(0o700);
  for (const file of ['stack.json', 'stack.log', 'secrets.json', 'redis']) {
    expect((await stat(join(directory, '.local', file))).mode & 0o077, file).toBe(0);
  }
  expect(await processesOf(stack.redis.token)).toEqual([]);
});

it('npm start names a part that exits while starting, with its last lines, and exits with 1', async () => {
  const REDIS_SERVER_BIN = await programThat('echo "the disk is made of cheese"; exit 3');
  const child = start({ REDIS_SERVER_BIN });
  expect(await exitCodeOf(child)).toBe(1);
  expect(child.output()).toContain('Redis did not start: it ended by itself (3)');
  expect(child.output()).toContain('the disk is made of cheese');
});

it('npm start names a part that does not come up in time, with its last lines, and exits with 1', async () => {
  const REDIS_SERVER_BIN = await programThat('echo "counting the stars"; exec sleep 600');
  const child = start({ REDIS_SERVER_BIN, START_TIMEOUT_SECONDS: '3' });
  expect(await exitCodeOf(child)).toBe(1);
  expect(child.output()).toMatch(
    /Not up after 3 s[^]*Redis is not up. Its last lines:\n {2}counting the stars/,
  );
});

it('npm start runs as a user id without a name (docker run -u), or explains why it cannot', async () => {
  if (process.getuid?.() !== 0) {
    expect((await described(start())).http).toContain('http://127.0.0.1:');
    return;
  }
  await chown(directory, 12_345, 12_345);
  const anonymous = ['--reuid=12345', '--regid=12345', '--clear-groups'];
  const isOpen = spawnSync('setpriv', [...anonymous, 'test', '-x', process.execPath]).status === 0;
  if (isOpen) {
    const child = start({}, ['setpriv', ...anonymous]);
    expect((await described(child)).http).toContain('http://127.0.0.1:');
    return;
  }
  // only root may enter the repository: this capability lets the user read it, but not run its programs
  const mayRead = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  const child = start({}, ['setpriv', ...anonymous, ...mayRead]);
  expect(await exitCodeOf(child)).toBe(1);
  expect(child.output()).toContain('Run as a user in /etc/passwd');
});
