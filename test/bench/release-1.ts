/** This release beside the first one: what a start, a finish and a page take, request by request in turn, in ratios. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { end, firstMessage, forkBound } from '../../infra/local/process.ts';
import type { StackDescription } from '../../infra/local/stack.ts';
import { connectPostgres } from '../../lib/postgres/connect.ts';
import { eventually } from '../support/eventually.ts';
import { extractRelease1, Release1Missing } from '../support/release-1-tree.ts';
import { send, type LoadRequest } from './load.ts';
import { medianOf } from './median.ts';

const here = fileURLToPath(new URL('../../', import.meta.url));
const replicated = 20_000;
const buffered = 10_000;
const rounds = 9;
const pairs = 50;
/** V8 optimises what a page of buffered records needs after some hundred requests. */
const warmUpRounds = 8;
const writers = 4;

/** One of the two releases. */
interface Side {
  readonly description: StackDescription;
  /** ids of the records that are not finished */
  readonly running: string[];
  /** how many records it has started */
  started: number;
  readonly stop: () => Promise<void>;
}

/** The request of a side, and the status of its answer. */
interface Case {
  readonly request: (side: Side) => LoadRequest;
  readonly status: number;
}

export async function benchRelease1(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-bench-'));
  const sides: Side[] = [];
  try {
    const tree = join(directory, 'release-1');
    await extractRelease1(tree);
    for (const [name, root] of Object.entries({ now: here, then: tree })) {
      sides.push(await startSide(root, join(directory, name)));
    }
    await measure(sides);
  } catch (error) {
    if (!(error instanceof Release1Missing)) throw error;
    console.log(error.message);
  } finally {
    await Promise.all(sides.map(({ stop }) => stop()));
    await rm(directory, { recursive: true, force: true });
  }
}

async function startSide(tree: string, directory: string): Promise<Side> {
  const child = forkBound(new URL('stack.process.ts', import.meta.url), [tree, directory]);
  const description = (await firstMessage(child)) as StackDescription;
  return { description, running: [], started: 0, stop: () => end(child, 'SIGTERM', 30_000) };
}

async function measure(sides: readonly Side[]): Promise<void> {
  await Promise.all(sides.map(fill));
  console.log('| p50 | now | first release | ratio, median of rounds (spread) |');
  console.log('|---|---|---|---|');
  await report(sides, 'page of 50, nothing buffered', page(50));
  await report(sides, 'page of 100, nothing buffered', page(100));
  await report(sides, 'start', start);
  await report(sides, 'finish', finish);
  await Promise.all(sides.map(bufferMore));
  await report(sides, `page of 50, ${buffered} buffered`, page(50));
}

const page = (limit: number): Case => ({
  request: ({ description }) => ({
    method: 'GET',
    path: `/executed_obs_units?limit=${limit}`,
    token: description.tokens.viewer,
  }),
  status: 200,
});

const start: Case = {
  request: ({ description, started }) => ({
    method: 'POST',
    path: '/executed_obs_units/start',
    token: description.tokens.service,
    body: JSON.stringify({ obs_unit_id: 1 + (started % 300), metadata: { patch: 'South field' } }),
  }),
  status: 201,
};

const finish: Case = {
  request: ({ description, running }) => ({
    method: 'PUT',
    path: `/executed_obs_units/${running.pop()}/finish`,
    token: description.tokens.service,
    body: JSON.stringify({ status: 'completed', metadata: { scans: 3 } }),
  }),
  status: 200,
};

/** @returns how long it took, ms @throws Error if the answer is another */
async function ask(side: Side, { request, status: expected }: Case): Promise<number> {
  const asked = request(side);
  const { milliseconds, status, body } = await send(side.description.http, asked);
  if (status !== expected) throw new Error(`${asked.path}: ${status} ${body.slice(0, 300)}`);
  if (status === 201) {
    side.running.push((JSON.parse(body) as { readonly id: string }).id);
    side.started += 1;
  }
  return milliseconds;
}

async function report(sides: readonly Side[], name: string, each: Case): Promise<void> {
  const medians: number[][] = sides.map(() => []);
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    const times: number[][] = sides.map(() => []);
    for (let pair = 0; pair < pairs; pair += 1) {
      for (let turn = 0; turn < sides.length; turn += 1) {
        const at = (turn + pair) % sides.length;
        const side = sides[at];
        if (side) times[at]?.push(await ask(side, each));
      }
    }
    if (round >= 0) for (const [at, all] of times.entries()) medians[at]?.push(medianOf(all));
  }
  const [now = [], then = []] = medians;
  const ratios = now.map((milliseconds, round) => milliseconds / (then[round] ?? NaN));
  console.log(
    `| ${name} | ${medianOf(now).toFixed(1)} ms | ${medianOf(then).toFixed(1)} ms | ` +
      `${medianOf(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}) |`,
  );
}

/** Rows that are replicated and not buffered. */
async function fill({ description }: Side): Promise<void> {
  const connect = (url: string) => connectPostgres({ url, applicationName: 'bench' });
  const [main, replica] = [connect(description.main), connect(description.replica)];
  await main.query(
    `insert into executed_obs_unit (id, obs_unit_id, status, start_time, end_time, instrument_module_ids, metadata)
      select md5('unit ' || n)::uuid, 1 + n % 300, 'completed', timestamptz '2026-01-01Z' + n * interval '1 second',
        timestamptz '2026-01-01Z' + (n + 1) * interval '1 second', array[1 + n % 7], jsonb_build_object('patch', 'South field', 'n', n)
      from generate_series(1, $1::integer) n`,
    [replicated],
  );
  await main.query('vacuum analyze');
  await eventually(
    async () => {
      const { rows } = await replica.query<{ n: number }>(
        'select count(*)::integer as n from executed_obs_unit',
      );
      if (rows[0]?.n !== replicated) throw new Error('not replicated yet');
    },
    { timeoutMs: 60_000 },
  );
  await Promise.all([main.end(), replica.end()]);
}

async function bufferMore(side: Side): Promise<void> {
  const fillUp = async () => {
    while (side.started < buffered) {
      const { status } = await send(side.description.http, start.request(side));
      // a busy machine may need longer than accept waits for Redis
      if (status === 201) side.started += 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, fillUp));
}
