/**
 * `npm run bench`: what a client waits for, with main near, far and out of reach, all in one run and in turn. Nothing here
 * is a figure about AWS or Upstash: the stack, its Redis and the generator share this machine.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { percentile } from '../../infra/local/percentile.ts';
import type { StackDescription } from '../../infra/local/stack.ts';
import { eventually } from '../support/eventually.ts';
import { openLoop, type Answered, type LoadRequest } from './load.ts';

const rounds = 5;
const load = { perSecond: 40, seconds: 6 };

const directory = await mkdtemp(join(tmpdir(), 'ops-db-bench-'));
const child = spawn(
  process.execPath,
  [fileURLToPath(new URL('../../infra/local/start.ts', import.meta.url))],
  {
    cwd: directory,
    env: { ...process.env, PORT: '0' },
    stdio: 'ignore',
  },
);
try {
  const stack = await eventually(
    async () => JSON.parse(await readFile(join(directory, '.local/stack.json'), 'utf8')) as StackDescription,
    { timeoutMs: 60_000 },
  );
  await run(stack);
} finally {
  child.kill('SIGINT');
  await new Promise((ended) => child.once('exit', ended));
  await rm(directory, { recursive: true, force: true });
}

async function run({ http, tokens, link }: StackDescription): Promise<void> {
  const setLink = (state: object) => fetch(link, { method: 'PUT', body: JSON.stringify(state) });
  const drained = () =>
    eventually(
      async () => {
        const health = (await (await fetch(`${http}/health`)).json()) as {
          transaction_buffer: { size: number };
        };
        if (health.transaction_buffer.size > 0) throw new Error('the buffer is not empty');
      },
      { timeoutMs: 120_000, everyMs: 200 },
    );
  const start = (index: number): LoadRequest => ({
    method: 'POST',
    path: '/executed_obs_units/start',
    token: tokens.service,
    body: JSON.stringify({ obs_unit_id: 1 + (index % 300), metadata: { patch: 'South field', index } }),
  });
  const overview = (): LoadRequest => ({
    method: 'GET',
    path: '/api/transfer/overview',
    token: tokens.viewer,
  });
  const read = (index: number): LoadRequest => ({
    method: 'GET',
    path: `/executed_obs_units/${1 + (index % 300)}`,
    token: tokens.service,
  });
  const cases = [
    { name: 'start, main near', state: { up: true, round_trip_ms: 0 }, make: start },
    { name: 'start, main 200 ms away', state: { up: true, round_trip_ms: 200 }, make: start },
    { name: 'start, link down', state: { up: false }, make: start },
    { name: 'overview', state: { up: true, round_trip_ms: 200 }, make: overview },
    { name: 'units of a planned unit', state: { up: true, round_trip_ms: 200 }, make: read },
  ];
  for (const { make } of cases) await openLoop(http, make, { perSecond: 50, seconds: 4 });
  await drained();

  const results = cases.map(({ name }) => ({ name, rounds: [] as Answered[][] }));
  const before = process.cpuUsage();
  const began = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < cases.length; turn += 1) {
      const index = (turn + round) % cases.length;
      const { state, make } = cases[index] ?? { state: {}, make: overview };
      await setLink(state);
      results[index]?.rounds.push(await openLoop(http, make, load));
      await setLink({ up: true, round_trip_ms: 200 });
      await drained();
    }
  }
  const { user, system } = process.cpuUsage(before);
  const [cpu] = cpus();
  console.log(`${cpu?.model ?? ''}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`);
  console.log(`Node ${process.version}; open loop, ${load.perSecond} requests/s; ${rounds} rounds in turn`);
  console.log(`generator: ${Math.round((user + system) / 10 / (performance.now() - began))} % of a core\n`);
  const near = medianOf(results[0]?.rounds ?? [], 0.5);
  console.log('| | p50 ms | p99 ms (spread of rounds) | p50 to “main near” | failed |');
  console.log('|---|---|---|---|---|');
  for (const { name, rounds: taken } of results) {
    const p50 = medianOf(taken, 0.5);
    const p99s = taken.map((each) => percentileOf(each, 0.99));
    const ratio = name.startsWith('start') ? (p50 / near).toFixed(2) : '';
    const failed = taken.flat().filter(({ status }) => status >= 300).length;
    console.log(
      `| ${name} | ${p50} | ${medianOf(taken, 0.99)} (${Math.min(...p99s)}–${Math.max(...p99s)}) | ${ratio} | ${failed} |`,
    );
  }
}

function percentileOf(answers: readonly Answered[], fraction: number): number {
  return percentile(
    answers.map(({ milliseconds }) => milliseconds),
    fraction,
  );
}

function medianOf(taken: readonly (readonly Answered[])[], fraction: number): number {
  return percentile(
    taken.map((each) => percentileOf(each, fraction)),
    0.5,
  );
}
