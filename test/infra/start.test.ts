/** `npm start`, as its user sees it: what it writes, what it leaves, and that it does not run twice. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StackDescription } from '../../infra/local/stack.ts';
import { eventually } from '../support/eventually.ts';
import { apiOf, startUnit } from '../support/test-stack.ts';

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
  await rm(directory, { recursive: true, force: true });
});

function start(...args: string[]): ChildProcess & { output: () => string } {
  const child = spawn(process.execPath, [join(root, 'infra/local/start.ts'), ...args], {
    cwd: directory,
    detached: true,
    env: { ...process.env, PORT: '0' },
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

/** What `child` has written: an older file may still be there. */
async function described(child: ChildProcess): Promise<StackDescription> {
  return eventually(
    async () => {
      const file = join(directory, '.local/stack.json');
      const stack = JSON.parse(await readFile(file, 'utf8')) as StackDescription;
      expect(stack.pid).toBe(child.pid);
      return stack;
    },
    { timeoutMs: 40_000 },
  );
}

/** Command lines that name the directory or a port of the stack. */
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

it('says where everything is, refuses a second one, keeps its data, and stops whole', async () => {
  const first = start();
  const stack = await described(first);
  expect(first.output()).not.toContain('Error');
  expect(Object.keys(stack)).toEqual([
    'pid',
    'http',
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

  const second = start();
  const [code] = (await once(second, 'exit')) as [number];
  expect(code).toBe(1);
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

it('leaves nothing behind when its process group is killed, and starts again', async () => {
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
  expect(read).toMatchObject({ status: 200, body: { id: started.body.id } });
});

it('says which port is busy', async () => {
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
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(1);
  expect(errors).toContain(`Port ${new URL(http).port} is busy`);
  await rm(other, { recursive: true, force: true });
});
