/**
 * The functions of this release beside those of the first one, on the same stores: the time of a start, a finish and a page, request
 * by request in turn, as ratios.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { Release1Missing } from '../support/release-1-tree.ts';
import { firstRelease, thisRelease, type Release } from '../support/releases.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';
import { send, type LoadRequest } from './load.ts';
import { medianOf } from './median.ts';

const replicated = 20_000;
const buffered = 10_000;
const rounds = 9;
const pairs = 50;
/** V8 needs some hundred requests to optimise the code of a page. */
const warmUpRounds = 8;
const writers = 4;

/** A request of one kind, and the status of its answer. */
interface Case {
  readonly request: (stack: TestStack) => LoadRequest;
  readonly status: number;
}

export async function benchRelease1(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-bench-'));
  const stack = await startTestStack({ roundTripMilliseconds: 0, durable: true });
  try {
    await stack.quiesce();
    const first = await firstRelease(stack, directory, () => undefined);
    try {
      await measure(stack, [thisRelease(stack), first]);
    } finally {
      await first.stop();
    }
  } catch (error) {
    if (!(error instanceof Release1Missing)) throw error;
    console.log(error.message);
  } finally {
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(stack: TestStack, releases: readonly Release[]): Promise<void> {
  await fill(stack);
  console.log('| p50 | this release | first release | ratio, median of rounds (spread) |');
  console.log('|---|---|---|---|');
  const report = async (name: string, each: Case) => {
    console.log(`| ${name} | ${await compared(stack, releases, each)} |`);
  };
  await report('page of 50, nothing buffered', page(50));
  await report('page of 100, nothing buffered', page(100));
  await report('start', start);
  await report('finish', finish);
  await bufferMore(stack);
  await report(`page of 50, ${buffered} buffered`, page(50));
}

const page = (limit: number): Case => ({
  request: ({ description }) => ({
    method: 'GET',
    path: `/executed_obs_units?limit=${limit}`,
    token: description.tokens.viewer,
  }),
  status: 200,
});

/** Ids of the records that are started and not finished. */
const running: string[] = [];

const start: Case = {
  request: ({ description }) => ({
    method: 'POST',
    path: '/executed_obs_units/start',
    token: description.tokens.service,
    body: JSON.stringify({ obs_unit_id: 1 + (running.length % 300), metadata: { patch: 'South field' } }),
  }),
  status: 201,
};

const finish: Case = {
  request: ({ description }) => ({
    method: 'PUT',
    path: `/executed_obs_units/${running.pop()}/finish`,
    token: description.tokens.service,
    body: JSON.stringify({ status: 'completed', metadata: { scans: 3 } }),
  }),
  status: 200,
};

/** Both p50 and their ratio. @throws Error if an answer has another status */
async function compared(stack: TestStack, releases: readonly Release[], each: Case): Promise<string> {
  const medians: number[][] = releases.map(() => []);
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    const times: number[][] = releases.map(() => []);
    for (let pair = 0; pair < pairs; pair += 1) {
      for (let turn = 0; turn < releases.length; turn += 1) {
        const at = (turn + pair) % releases.length;
        times[at]?.push(await ask(releases[at]?.http ?? '', stack, each));
      }
    }
    if (round >= 0) for (const [at, all] of times.entries()) medians[at]?.push(medianOf(all));
  }
  const [now = [], then = []] = medians;
  const ratios = now.map((milliseconds, round) => milliseconds / (then[round] ?? NaN));
  return (
    `${medianOf(now).toFixed(1)} ms | ${medianOf(then).toFixed(1)} ms | ` +
    `${medianOf(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`
  );
}

/** @returns the time of the request, ms */
async function ask(http: string, stack: TestStack, { request, status: expected }: Case): Promise<number> {
  const asked = request(stack);
  const { milliseconds, status, body } = await send(http, asked);
  if (status !== expected) throw new Error(`${asked.path}: ${status} ${body.slice(0, 300)}`);
  if (status === 201) running.push((JSON.parse(body) as { readonly id: string }).id);
  return milliseconds;
}

/** Rows that are replicated and not buffered. */
async function fill({ main, replica }: TestStack): Promise<void> {
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
}

async function bufferMore(stack: TestStack): Promise<void> {
  const { redisClient, keys, description } = stack;
  const fillUp = async () => {
    while ((await redisClient.zcard(keys.overlaid)) < buffered) {
      // on a busy machine some are 503: accept waits for Redis for 0.3 s
      await send(description.http, start.request(stack));
    }
  };
  await Promise.all(Array.from({ length: writers }, fillUp));
}
