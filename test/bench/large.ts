/**
 * The cost of pages, filters and the overview with 10⁶ executed units, packages and transfers, as ratios within one run.
 */
import { randomUUID } from 'node:crypto';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { connectPostgres, type Pool } from '../../lib/postgres/connect.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { readTransferOverview } from '../../lib/transfer/overview.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';
import { fillLarge, largePrograms, largeRows, parkMore } from './large-data.ts';
import { openLoop, send } from './load.ts';
import { medianOf } from './median.ts';

const rounds = 7;
const repeats = 10;

export async function benchLarge(): Promise<void> {
  const stack = await startTestStack({ roundTripMilliseconds: 0, durable: false });
  await stack.quiesce();
  const connect = (url: string) =>
    connectPostgres({ url, applicationName: 'bench', statementTimeoutMilliseconds: 300_000 });
  const [main, replica] = [connect(stack.description.main), connect(stack.description.replica)];
  try {
    const began = performance.now();
    await fillLarge(main);
    await replicated(main, replica);
    console.log(`${largeRows} rows of each, by SQL with triggers: ${seconds(began)} s\n`);
    await reportOverview(stack, replica);
    await reportPrograms(stack, replica);
    await reportParked(stack, main, replica);
    await reportKeys(main);
  } finally {
    await Promise.all([main.end(), replica.end()]);
    await stack.stop();
  }
}

async function reportOverview(stack: TestStack, replica: Pool): Promise<void> {
  const bare = () =>
    replica.query({
      name: 'bare-counters',
      text: 'select table_name, state, sum(n) from state_count group by table_name, state',
    });
  const [counters, overview] = await measured([bare, () => readTransferOverview(replica)]);
  const answers = await openLoop(stack.description.http, () => viewer(stack, '/api/transfer/overview'), {
    perSecond: 40,
    seconds: 25,
  });
  const times = answers.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? NaN).toFixed(1);
  console.log(
    `overview: ${shown(overview)}; bare select of the counters ${shown(counters)}; ${ratio(overview, counters)} ×`,
  );
  console.log(`its request, 40/s: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${failures(answers)} not 200\n`);
}

/** A filtered request relative to the bare statement plus a request that reads almost nothing. */
async function reportPrograms(stack: TestStack, replica: Pool): Promise<void> {
  console.log(
    '| program of 10⁵ planned units | bare join | request | plain request | request / (plain + join) |',
  );
  console.log('|---|---|---|---|---|');
  for (const [name, program] of Object.entries(largePrograms)) {
    const join = () =>
      replica.query(
        `select e.* from executed_obs_unit e join obs_unit u on u.id = e.obs_unit_id
           join observing_program p on p.id = u.observing_program_id
         where p.short_name = '${program}' order by e.start_time desc, e.id desc limit 100`,
      );
    const [bare, request, plain] = await measured([
      join,
      () => get(stack, `/executed_obs_units?program=${program}`),
      () => get(stack, '/api/tokens/scopes'),
    ]);
    console.log(
      `| ${name} | ${shown(bare)} | ${shown(request)} | ${shown(plain)} | ${(request.median / (plain.median + bare.median)).toFixed(2)} |`,
    );
  }
  console.log('');
}

async function reportParked(stack: TestStack, main: Pool, replica: Pool): Promise<void> {
  console.log('| parked | first page of 100 | / none parked |');
  console.log('|---|---|---|');
  let [parked, none] = [0, NaN];
  for (const wanted of [0, 10_000, 100_000]) {
    if (wanted > parked) await parkMore(main, parked, wanted);
    parked = wanted;
    await replicated(main, replica);
    const [page] = await measured([() => get(stack, '/executed_obs_units?limit=100')]);
    if (wanted === 0) none = page.median;
    console.log(`| ${wanted} | ${shown(page)} | ${(page.median / none).toFixed(2)} |`);
  }
  console.log('');
}

async function reportKeys(main: Pool): Promise<void> {
  const finish = async (keys: number): Promise<void> => {
    const unit = randomUUID();
    const build = () =>
      new TransactionBuilder(
        { id: randomUUID(), stamp: Date.now() * 1000, aggregate: unit, principal: '1', operation: 'bench' },
        randomUUID,
      );
    const start = build();
    start.create(
      'executed_obs_unit',
      { obs_unit_id: 1, status: 'running', start_time: '2026-01-01T00:00:00.000000Z', end_time: null },
      unit,
    );
    await applyTransactions(main, [start.build()], 900);
    const end = build();
    const metadata = Object.fromEntries(Array.from({ length: keys }, (_, n) => [`key ${n}`, n]));
    const values = { status: 'completed', end_time: '2026-01-01T00:01:00.000000Z', metadata };
    end.update('executed_obs_unit', unit, values, { onlyIf: { status: 'running' }, given: ['status'] });
    const { rows } = await applyTransactions(main, [end.build()], 900);
    if (rows.some(({ outcome }) => outcome !== 'applied')) throw new Error('the finish was not applied');
  };
  const [half, all] = await measured([() => finish(5_000), () => finish(10_000)], 1);
  console.log(
    `finish with 5,000 keys: ${shown(half)}; with 10,000: ${shown(all)}; ${ratio(all, half)} × (linear: 2)`,
  );
}

const viewer = ({ description }: TestStack, path: string) => ({
  method: 'GET',
  path,
  token: description.tokens.viewer,
});

/** @throws Error unless the answer is 200 */
async function get(stack: TestStack, path: string): Promise<void> {
  const { status, body } = await send(stack.description.http, viewer(stack, path));
  if (status !== 200) throw new Error(`${path}: ${status} ${body.slice(0, 300)}`);
}

interface Measured {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Medians of the rounds' medians, ms. The order rotates. A failed call counts as infinite. */
async function measured<const C extends readonly (() => Promise<unknown>)[]>(
  cases: C,
  times = repeats,
): Promise<{ [K in keyof C]: Measured }> {
  const medians: number[][] = cases.map(() => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (let turn = 0; turn < cases.length; turn += 1) {
      const at = (turn + round) % cases.length;
      const each: number[] = [];
      for (let n = 0; n < times; n += 1) {
        const began = performance.now();
        const isAnswered = await cases[at]?.().then(
          () => true,
          (error: unknown) => (console.error(String(error)), false),
        );
        each.push(isAnswered ? performance.now() - began : Infinity);
        if (performance.now() - began > 2000) break;
      }
      // the first round warms up
      if (round > 0) medians[at]?.push(medianOf(each));
    }
  }
  return medians.map((each) => ({
    median: medianOf(each),
    low: Math.min(...each),
    high: Math.max(...each),
  })) as unknown as { [K in keyof C]: Measured };
}

const shown = ({ median, low, high }: Measured) =>
  `${median.toFixed(1)} ms (${low.toFixed(1)}–${high.toFixed(1)})`;
const ratio = (a: Measured, b: Measured) => (a.median / b.median).toFixed(2);
const failures = (answers: readonly { readonly status: number }[]) =>
  answers.filter(({ status }) => status !== 200).length;
const seconds = (began: number) => Math.round((performance.now() - began) / 1000);

/** Waits until the replica has replayed everything. */
async function replicated(main: Pool, replica: Pool): Promise<void> {
  const { rows } = await main.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  await eventually(
    async () => {
      const reached = await replica.query<{ isThere: boolean }>(
        'select pg_last_wal_replay_lsn() >= $1::pg_lsn as "isThere"',
        [rows[0]?.lsn],
      );
      if (!reached.rows[0]?.isThere) throw new Error('not replicated yet');
    },
    { timeoutMs: 300_000, everyMs: 100 },
  );
}
