/** Response times of a client, with all cases in one run and in turn. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { connectRedis } from '../../lib/redis/client.ts';
import { fileURLToPath } from 'node:url';
import { startLink } from '../../infra/local/link.ts';
import { percentile } from '../../infra/local/percentile.ts';
import type { StackDescription } from '../../infra/local/stack.ts';
import { eventually } from '../support/eventually.ts';
import { openLoop, type Answered, type LoadRequest } from './load.ts';

const rounds = 5;
const load = { perSecond: 40, seconds: 5 };

/** Measures requests with main near, far and unreachable, a bare write and direct inserts. */
export async function benchAnswers(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-bench-'));
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('../../infra/local/start.ts', import.meta.url))],
    { cwd: directory, env: { ...process.env, PORT: '0' }, stdio: 'ignore' },
  );
  try {
    const stack = await eventually(
      async () =>
        JSON.parse(await readFile(join(directory, '.local/stack.json'), 'utf8')) as StackDescription,
      { timeoutMs: 60_000 },
    );
    await run(stack);
  } finally {
    child.kill('SIGINT');
    await new Promise((ended) => child.once('exit', ended));
    await rm(directory, { recursive: true, force: true });
  }
}

async function run({ http, tokens, link, main, redis }: StackDescription): Promise<void> {
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
  const floor = await bareWrite(redis);
  const far = await farMain(main);
  const cases: { name: string; state: object; make: (index: number) => LoadRequest; origin?: string }[] = [
    { name: 'start, main near', state: { up: true, round_trip_ms: 0 }, make: start },
    { name: 'start, main 200 ms away', state: { up: true, round_trip_ms: 200 }, make: start },
    { name: 'start, link down', state: { up: false }, make: start },
    { name: 'bare write', state: { up: true, round_trip_ms: 200 }, make: start, origin: floor.url },
    { name: 'overview', state: { up: true, round_trip_ms: 200 }, make: overview },
    { name: 'units of a planned unit', state: { up: true, round_trip_ms: 200 }, make: read },
  ];
  for (const { make, origin = http } of cases) await openLoop(origin, make, { perSecond: 50, seconds: 4 });
  await drained();

  const results = cases.map(({ name }) => ({ name, rounds: [] as Answered[][] }));
  const before = process.cpuUsage();
  const began = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < cases.length; turn += 1) {
      const index = (turn + round) % cases.length;
      const { state, make, origin = http } = cases[index] ?? { state: {}, make: overview };
      await setLink(state);
      results[index]?.rounds.push(await openLoop(origin, make, load));
      await setLink({ up: true, round_trip_ms: 200 });
      await drained();
    }
  }
  const { user, system } = process.cpuUsage(before);
  console.log(`open loop, ${load.perSecond} requests/s; ${rounds} rounds in turn`);
  console.log(`generator: ${Math.round((user + system) / 10 / (performance.now() - began))} % of a core\n`);
  const direct = await directInserts(far.url);
  const near = medianOf(results[0]?.rounds ?? [], 0.5);
  console.log('| | p50 ms | p99 ms (spread of rounds) | p50 / p50 “main near” | failed |');
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
  const ours = medianOf(results[1]?.rounds ?? [], 0.5);
  console.log(
    `\na direct insert over 200 ms: p50 ${direct} ms, ${Math.round(direct / ours)} × a buffered start`,
  );
  await far.stop();
}

/** The lower bound: a bare HTTP server that makes one write of the same size through the same Redis endpoint. */
async function bareWrite(settings: StackDescription['redis']) {
  const redis = connectRedis(settings);
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      void redis
        .multi()
        .set('bench:floor', text)
        .hset('bench:hash', { text })
        .xadd('bench:stream', '*', { text }, { trim: { type: 'MAXLEN', threshold: 1000, comparison: '~' } })
        .exec()
        .then(() => response.writeHead(201).end());
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Main over a separate link of constantly 200 ms. */
async function farMain(main: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const url = new URL(main);
  const link = await startLink({ targetPort: Number(url.port), roundTripMilliseconds: 200 });
  url.port = String(link.port);
  return { url: url.href, stop: link.stop };
}

/** The waiting time of a script without a buffer: one insert at a time over the link. */
async function directInserts(main: string): Promise<number> {
  const client = new pg.Client({ connectionString: main });
  await client.connect();
  const times: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    const began = performance.now();
    await client.query(
      `insert into executed_obs_unit (id, obs_unit_id, status, start_time)
       values (gen_random_uuid(), 1, 'running', now())`,
    );
    times.push(performance.now() - began);
  }
  await client.end();
  return percentile(times, 0.5);
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
