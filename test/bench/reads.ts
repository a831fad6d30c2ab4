/** Reading a page and a record with few or many buffered, relative to the bare replica and to a scan of all keys. */
import { randomBytes } from 'node:crypto';
import { accept } from '../../lib/buffer/accept.ts';
import type { ExecutedObsUnit } from '../../lib/observation/executed-obs-unit.ts';
import { draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { connectPostgres, type Pool } from '../../lib/postgres/connect.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { readOverlay } from '../../lib/buffer/overlay.ts';
import { merge } from '../../lib/smart-query/merge.ts';
import { executedObsUnitsOf } from '../../lib/smart-query/records.ts';
import { readExecutedObsUnit } from '../../lib/smart-query/executed-obs-units.ts';
import { listExecutedObsUnits } from '../../lib/smart-query/list-executed-obs-units.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { uuidV7 } from '../../lib/transaction/ids.ts';
import { send } from './load.ts';
import { medianOf } from './median.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';
import { eventually } from '../support/eventually.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';

const rows = 20_000;
const buffered = [0, 100, 10_000, 100_000];
const limit = 50;
const rounds = 5;
const repeats = 40;

export async function benchReads(): Promise<void> {
  const stack = await startTestStack({ roundTripMilliseconds: 0, durable: true });
  await stack.quiesce();
  const replicas = connectReplicas([{ name: 'site', url: stack.description.replica }], {
    applicationName: 'bench',
  });
  const [replica] = replicas;
  if (!replica) return;
  const parts: SmartQueryParts = { redis: stack.redisClient, keys: stack.keys, replicas };
  try {
    await fill(stack);
    console.log(
      '| buffered | bare page, ms | page | / bare | request / (plain + bare page) | key scan / page | record | / bare |',
    );
    console.log('|---|---|---|---|---|---|---|---|');
    let count = 0;
    for (const wanted of buffered) {
      await bufferMore(stack, wanted - count);
      count = wanted;
      await report(stack, parts, replica.pool, wanted);
    }
  } finally {
    await replica.pool.end();
    await stack.stop();
  }
}

async function report(stack: TestStack, parts: SmartQueryParts, replica: Pool, count: number): Promise<void> {
  const { rows: known } = await replica.query<{ id: string }>(
    'select id from executed_obs_unit order by start_time desc limit 100',
  );
  let at = 0;
  const nextId = () => known[(at += 1) % known.length]?.id ?? '';
  const http = (path: string) =>
    send(stack.description.http, { method: 'GET', path, token: stack.description.tokens.viewer });
  const cases = {
    bare: () => barePage(replica),
    page: () => listExecutedObsUnits(parts, { filter: {}, limit }),
    // the same gateway, function and credential, without a merge
    overview: () => http('/api/transfer/overview'),
    request: () => http(`/executed_obs_units?limit=${limit}`),
    bareRecord: () =>
      replica.query({
        name: 'bare',
        text: 'select * from executed_obs_unit where id = $1',
        values: [nextId()],
      }),
    record: () => readExecutedObsUnit(parts, nextId()),
    ...(count > 0 && count <= 10_000 && { scan: () => scanPage(parts, replica) }),
  } as const satisfies Record<string, () => Promise<unknown>>;
  const medians = await measured(cases);
  const ratio = (a: number | undefined, b: number | undefined) => (a && b ? (a / b).toFixed(2) : '');
  const { bare, page, overview, request, bareRecord, record, scan } = medians;
  console.log(
    `| ${count} | ${bare?.toFixed(2)} | ${page?.toFixed(2)} | ${ratio(page, bare)} | ${ratio(request, (overview ?? 0) + (bare ?? 0))} | ${ratio(scan, page)} | ${record?.toFixed(2)} | ${ratio(record, bareRecord)} |`,
  );
}

/** Medians of the rounds' medians, ms. The order rotates. */
async function measured(
  cases: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<Record<string, number>> {
  const names = Object.keys(cases);
  const medians = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(turn + round) % names.length] ?? '';
      const times: number[] = [];
      for (let n = 0; n < (name === 'scan' ? 2 : repeats); n += 1) {
        const began = performance.now();
        await cases[name]?.();
        times.push(performance.now() - began);
      }
      // the first round warms up
      if (round > 0) medians.get(name)?.push(medianOf(times));
    }
  }
  return Object.fromEntries([...medians].map(([name, each]) => [name, medianOf(each)]));
}

/** The query of a system without a buffer. */
async function barePage(replica: Pool): Promise<unknown[]> {
  const { rows: page } = await replica.query<Record<string, unknown>>({
    name: 'bare-page',
    text: 'select to_jsonb(e) from executed_obs_unit e order by start_time desc, id desc limit $1',
    values: [limit],
  });
  return page;
}

/** The naive design: scan all buffered keys, read each, merge and cut. */
async function scanPage(parts: SmartQueryParts, replica: Pool): Promise<ExecutedObsUnit[]> {
  const { redis, keys } = parts;
  const aggregates: string[] = [];
  for (let cursor = '0'; ;) {
    const [next, found] = await redis.scan(cursor, { match: keys.overlay('*-*'), count: 1000 });
    aggregates.push(...found.map((key: string) => key.slice(keys.overlay('').length)));
    if (next === '0') break;
    cursor = next;
  }
  const { entries } = await readOverlay({ redis, keys }, aggregates);
  const page = (await barePage(replica)) as { to_jsonb: { id: string } }[];
  const executed_obs_unit = page.map(({ to_jsonb }) => to_jsonb);
  const merged = executedObsUnitsOf(
    merge({ rows: { executed_obs_unit }, deleted: [], inbox: [] }, entries),
    [],
  );
  return merged.sort((a, b) => ((a.start_time ?? '') < (b.start_time ?? '') ? 1 : -1)).slice(0, limit);
}

function draft(now: number) {
  const id = uuidV7(now, randomBytes(10));
  const heading = { id, stamp: now * 1000, principal: '1', operation: 'bench' };
  const body = { obs_unit_id: 1 + (now % 300), metadata: { patch: 'South field' } };
  return draftStart(body, uuidV7(now, randomBytes(10)), heading, instantOfMilliseconds(now));
}

const firstDay = Date.UTC(2026, 0, 1);

/** Writes records and waits until they are replicated. */
async function fill(stack: TestStack): Promise<void> {
  const main = connectPostgres({ url: stack.description.main, applicationName: 'bench' });
  for (let from = 0; from < rows; from += 1000) {
    const batch = Array.from({ length: 1000 }, (_, n) => draft(firstDay + (from + n) * 1000).transaction);
    await applyTransactions(main, batch, 900);
  }
  await main.query('vacuum analyze');
  await main.end();
  await eventually(
    async () => {
      const { rows: found } = await stack.replica.query<{ n: number }>(
        'select count(*)::integer as n from inbox',
      );
      if (found[0]?.n !== rows) throw new Error('not replicated yet');
    },
    { timeoutMs: 60_000 },
  );
}

let clock = firstDay + rows * 1000;

async function bufferMore({ redisClient, keys }: TestStack, count: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: 24 }, async () => {
      while (left > 0) {
        left -= 1;
        await accept(
          { redis: redisClient, keys },
          {
            claimant: { kind: 'none', principalId: '1' },
            permission: '',
            ...draft((clock += 1000)),
            nowMilliseconds: clock,
            requestsPerSecond: 1e9,
            budgetBytes: 1e12,
          },
        );
      }
    }),
  );
}
