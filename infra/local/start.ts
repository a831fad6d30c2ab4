/** `npm start`: the local stack, until Ctrl-C. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startStack, type Stack } from './stack.ts';

const directory = join(process.cwd(), '.local');
const description = join(directory, 'stack.json');

const { values: options } = parseArgs({ options: { fresh: { type: 'boolean', default: false } } });
const port = Number(process.env.PORT ?? 8000);
if (!Number.isInteger(port) || port < 0 || port > 65_535)
  fail(`PORT must be a port number, not ${process.env.PORT}`);

await refuseSecond();
if (options.fresh) await rm(directory, { recursive: true, force: true });
await mkdir(directory, { recursive: true });
await writeFile(join(directory, 'pid'), String(process.pid));

let stack: Stack | undefined;
let stopping = false;
const stop = async () => {
  if (stopping) return;
  stopping = true;
  console.log('\nStopping …');
  await rm(description, { force: true });
  await stack?.stop();
  await rm(join(directory, 'pid'), { force: true });
  process.exit(0);
};
process.on('SIGINT', () => void stop());
process.on('SIGTERM', () => void stop());

const logFile = join(directory, 'stack.log');
await writeFile(logFile, '');
try {
  stack = await startStack({
    directory,
    httpPort: port,
    roundTripMilliseconds: 200,
    durable: true,
    log: (line) => appendFileSync(logFile, `${new Date().toISOString()} ${line}\n`),
  });
} catch (error) {
  await rm(join(directory, 'pid'), { force: true });
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    fail(`Port ${port} is busy. Stop what uses it, or choose another: PORT=8001 npm start`);
  }
  throw error;
}
await writeFile(`${description}.new`, `${JSON.stringify(stack.description, null, 2)}\n`, { mode: 0o600 });
await rename(`${description}.new`, description);
console.log(welcome(stack));

/** A stack that runs here already is left alone. */
async function refuseSecond(): Promise<void> {
  const pid = Number(await readFile(join(directory, 'pid'), 'utf8').catch(() => ''));
  if (!pid || !(await isStack(pid))) {
    await rm(description, { force: true });
    return;
  }
  const running = await readFile(description, 'utf8').catch(() => undefined);
  const http =
    running === undefined ? 'is starting' : `answers at ${(JSON.parse(running) as { http: string }).http}`;
  fail(`A stack runs here already: process ${pid}, ${http}. Stop it with Ctrl-C, or kill -INT ${pid}`);
}

/** A process id may have been given to another program since. */
async function isStack(pid: number): Promise<boolean> {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'start.ts');
  return command.includes('start.ts');
}

function welcome({
  description: { http, websocket, tokens, link },
  redisEngine,
  redisSurvivesRestart,
}: Stack) {
  return `
The observatory is up. Main is ${200} ms away.

  HTTP        ${http}
  WebSocket   ${websocket}/api/transfer/ws/overview?ticket=…   (ticket: POST /api/ws/ticket)
  link        ${link}   (npm run link -- down | up | delay 500)
  Redis       ${redisEngine}${redisSurvivesRestart ? '' : ' — the buffer will not survive a restart; install redis-server for that'}
  data, log   ${directory} (kept; npm start -- --fresh begins anew)
  tokens      ${description}

Start an observation:

  curl -s -X POST ${http}/executed_obs_units/start \\
    -H 'Authorization: Bearer ${tokens.service}' \\
    -H 'Content-Type: application/json' -d '{"obs_unit_id": 123}'

Ctrl-C stops everything.
`;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
