/** `npm start`: runs the local stack until Ctrl-C. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startStack, type Stack } from './stack.ts';
import { Startup } from './startup.ts';

// keep all files private: buffer, token hashes and logs
process.umask(0o077);

const directory = join(process.cwd(), '.local');
const description = join(directory, 'stack.json');
const pidFile = join(directory, 'pid');
const roundTripMilliseconds = 200;

const { values: options } = parseArgs({ options: { fresh: { type: 'boolean', default: false } } });
const port = Number(process.env.PORT ?? 8000);
if (!Number.isInteger(port) || port < 0 || port > 65_535)
  fail(`PORT must be a port number, not ${process.env.PORT}`);

/** Time limit of the start, s; tests shorten it. */
const startTimeoutSeconds = Number(process.env.START_TIMEOUT_SECONDS ?? 180);

await refuseSecond();
if (options.fresh) await rm(directory, { recursive: true, force: true });
await mkdir(directory, { recursive: true });
await writeFile(pidFile, String(process.pid));

let stack: Stack | undefined;
let stopping = false;
const stop = async () => {
  if (stopping) return;
  stopping = true;
  console.log('\nStopping …');
  await rm(description, { force: true });
  await stack?.stop();
  await rm(pidFile, { force: true });
  process.exit(0);
};
process.on('SIGINT', () => void stop());
process.on('SIGTERM', () => void stop());

const logFile = join(directory, 'stack.log');
await writeFile(logFile, '');
const startup = new Startup((line) => console.log(`  ${line}`));
const tooLate = setTimeout(() => {
  rmSync(pidFile, { force: true });
  fail(`Not up after ${startTimeoutSeconds} s.\n${startup.describe()}\nComplete log: ${logFile}`);
}, startTimeoutSeconds * 1000);
try {
  console.log('Starting …');
  stack = await startStack({
    directory,
    httpPort: port,
    roundTripMilliseconds,
    durable: true,
    log: (line) => appendFileSync(logFile, `${new Date().toISOString()} ${line}\n`),
    startup,
  });
} catch (error) {
  await rm(pidFile, { force: true });
  const isBusy = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  if (isBusy)
    fail(`Port ${port} is busy. Stop the program that uses it, or choose another port: PORT=8001 npm start`);
  fail(`${error instanceof Error ? error.message : String(error)}\nComplete log: ${logFile}`);
}
clearTimeout(tooLate);
await writeFile(`${description}.new`, `${JSON.stringify(stack.description, null, 2)}\n`);
await rename(`${description}.new`, description);
console.log(welcome(stack));

/** Exits if a stack is already running in this directory. */
async function refuseSecond(): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!pid || !(await isStack(pid))) {
    await rm(description, { force: true });
    return;
  }
  const running = await readFile(description, 'utf8').catch(() => undefined);
  const http =
    running === undefined ? 'is starting' : `answers at ${(JSON.parse(running) as { http: string }).http}`;
  fail(
    `A stack is already running here: process ${pid}, which ${http}. Stop it with Ctrl-C, or kill -INT ${pid}`,
  );
}

/** Whether the process is a stack: its id may have been reused by another program. */
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
  description: { http, page, websocket, tokens, link },
  redisEngine,
  redisSurvivesRestart,
}: Stack) {
  return `
The observatory is up. Main is ${roundTripMilliseconds} ms away.

  HTTP        ${http}
  web page    ${page}
  WebSocket   ${websocket}/api/transfer/ws/overview?ticket=…   (ticket: POST /api/ws/ticket)
  link        ${link}   (npm run link -- down | up | delay 500)
  Redis       ${redisEngine}${redisSurvivesRestart ? '' : ' — the buffer is lost with a restart unless redis-server is installed'}
  data, log   ${directory} (kept; npm start -- --fresh deletes them first)
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
