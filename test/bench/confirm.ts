/** The number of position queries to clean a batch, and the time from replay to cleaning. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from '../../infra/local/percentile.ts';
import { accept } from '../../lib/buffer/accept.ts';
import { mark } from '../../lib/buffer/mark.ts';
import { draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { confirm } from '../../lib/replication/confirm.ts';
import { replayedLsn } from '../../lib/replication/replicas.ts';
import { uuidV7 } from '../../lib/transaction/ids.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';

const records = 100;

export async function benchConfirm(): Promise<void> {
  const quiesced = await startTestStack({ roundTripMilliseconds: 0 });
  try {
    await quiesced.quiesce();
    console.log('| transactions in a batch | position queries to clean it |');
    console.log('|---|---|');
    for (const pending of [1, 100, 10_000])
      console.log(`| ${pending} | ${await positionQueries(quiesced, pending)} |`);
  } finally {
    await quiesced.stop();
  }
  for (const roundTripMilliseconds of [0, 200]) {
    const stack = await startTestStack({ roundTripMilliseconds });
    try {
      const times = await replayedToCleaned(stack);
      const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)].map(Math.round);
      console.log(
        `\nreplayed → cleaned, main ${roundTripMilliseconds} ms away, one record at a time: p50 ${p50} ms, p99 ${p99} ms`,
      );
    } finally {
      await stack.stop();
    }
  }
}

async function positionQueries(
  { redisClient: redis, keys, main, replica }: TestStack,
  count: number,
): Promise<number> {
  const batch = Array.from({ length: count }, (_, n) => {
    const now = Date.now() + n;
    const heading = {
      id: uuidV7(now, randomBytes(10)),
      stamp: now * 1000,
      principal: '1',
      operation: 'bench',
    };
    return draftStart({ obs_unit_id: 1 }, uuidV7(now, randomBytes(10)), heading, instantOfMilliseconds(now));
  });
  const limits = { permission: '', requestsPerSecond: 1e9, budgetBytes: 1e12, nowMilliseconds: Date.now() };
  const claimant = { kind: 'none', principalId: '1' } as const;
  for (const draft of batch) await accept({ redis, keys }, { claimant, ...limits, ...draft });
  const { rows, lsn } = await applyTransactions(
    main,
    batch.map(({ transaction }) => transaction),
    900,
  );
  await mark({ redis, keys }, rows, lsn, Date.now());
  while (((await replayedLsn(replica)) ?? 0n) < lsn.value) await delay(5);

  let queries = 0;
  const counting = new Proxy(replica, {
    get: (pool, name) =>
      name === 'query'
        ? (config: { name?: string }) => {
            if (config.name === 'replayed-lsn') queries += 1;
            return pool.query(config as never);
          }
        : (Reflect.get(pool, name) as unknown),
  });
  const { cleaned } = await confirm(
    { redis, keys, replicas: [{ name: 'site', pool: counting }] },
    Date.now(),
  );
  if (cleaned !== count) throw new Error(`${cleaned} of ${count} were cleaned`);
  return queries;
}

/** One record at a time, so that the check of another does not clean it. */
async function replayedToCleaned({ api, replica, redisClient, keys }: TestStack): Promise<number[]> {
  const times: number[] = [];
  await eventually(() => replica.query('select from executed_obs_unit limit 1'), { timeoutMs: 30_000 });
  for (let n = 0; n < records; n += 1) {
    const { body } = await startUnit(api);
    const id = String(body.id);
    while ((await replica.query('select from executed_obs_unit where id = $1', [id])).rowCount === 0)
      await delay(1);
    const began = performance.now();
    while ((await redisClient.exists(keys.overlay(id))) === 1) await delay(1);
    times.push(performance.now() - began);
  }
  return times;
}
