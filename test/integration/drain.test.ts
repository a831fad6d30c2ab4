/** A processor that cannot reach Redis or main. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { drain, type DrainParts } from '../../functions/process/drain.ts';
import { freePort } from '../../infra/local/ports.ts';
import { streams } from '../../lib/change-feed/streams.ts';
import { connectPostgres } from '../../lib/postgres/connect.ts';
import { createLog } from '../../lib/observability/log.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

let main: TestMain;
let redis: TestRedis;
const keys = keysOf('drain');

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));

it('drain keeps a copy that it could not mark in Redis, and publishes the change when the copy is redelivered', async () => {
  const aggregate = randomUUID();
  const stamp = Date.now() * 1000;
  const heading = { id: randomUUID(), stamp, aggregate, principal: '1', operation: 'test' };
  const builder = new TransactionBuilder(heading, randomUUID);
  const values = { obs_unit_id: 7, status: 'running', start_time: '2026-10-01T00:00:00.000Z' };
  builder.create('executed_obs_unit', values, aggregate);
  const copy = builder.build();
  const parts: DrainParts = {
    redis: redis.client,
    keys,
    main: main.pool,
    startWaitSeconds: 900,
    now: Date.now,
    log: createLog('error'),
  };
  const options = { deadline: Date.now() + 60_000, always: false };
  const rows = async () =>
    (await main.pool.query('select from executed_obs_unit where id = $1', [aggregate])).rowCount;
  const published = () => redis.client.xrange(keys.feed(streams.observations.stream), '-', '+');

  const nowhere = connectRedis({ url: `http://127.0.0.1:${await freePort()}`, token: 'none' });
  const first = await drain({ ...parts, redis: nowhere }, [copy], options);
  expect(first).toMatchObject({ copies: ['left'], mainAnswered: true, isHeld: false, applied: 1 });
  expect(await rows()).toBe(1);
  expect(Object.keys(await published())).toEqual([]);

  const second = await drain(parts, [copy], options);
  expect(second.copies).toEqual(['recorded']);
  expect(await rows()).toBe(1);
  expect(JSON.stringify(await published())).toContain(copy.id);
});

it('drain names the request that brought a transaction in its log, and main keeps it', async () => {
  const aggregate = randomUUID();
  const heading = {
    id: randomUUID(),
    stamp: Date.now() * 1000,
    aggregate,
    principal: '1',
    operation: 'test',
  };
  const builder = new TransactionBuilder({ ...heading, request_id: 'request-7' }, randomUUID);
  builder.create('executed_obs_unit', { obs_unit_id: 7, status: 'running' }, aggregate);
  const lines: string[] = [];
  const log = createLog('info', {}, (line) => lines.push(line));
  const parts = { redis: redis.client, keys, main: main.pool, startWaitSeconds: 900, now: Date.now, log };
  const copy = builder.build();
  await drain(parts, [copy], { deadline: Date.now() + 60_000, always: false });
  expect(lines.join()).toContain(JSON.stringify({ transaction: copy.id, accepted_in_request: 'request-7' }));
  const { rows } = await main.pool.query('select request_id from inbox where transaction_id = $1', [copy.id]);
  expect(rows).toEqual([{ request_id: 'request-7' }]);
});

it('drain restores the readable part of a batch when one change of rights cannot be read', async () => {
  const [odd, plain] = [randomUUID(), randomUUID()];
  const heading = (aggregate: string, operation: string) => ({
    id: randomUUID(),
    stamp: Date.now() * 1000,
    aggregate,
    principal: '1',
    operation,
  });
  const values = { obs_unit_id: 7, status: 'running', start_time: '2026-10-01T00:00:00.000Z' };
  const copies = [
    new TransactionBuilder(heading(odd, 'changeUser'), randomUUID)
      .put('ops_user', odd, { principal: '7', role: 'of a later release' })
      .build(),
    (() => {
      const builder = new TransactionBuilder(heading(plain, 'start'), randomUUID);
      builder.create('executed_obs_unit', values, plain);
      return builder.build();
    })(),
  ];
  const nowhere = connectPostgres({
    url: `postgres://127.0.0.1:${await freePort()}/none`,
    applicationName: 'test',
  });
  const parts = { redis: redis.client, keys, main: nowhere, startWaitSeconds: 900, now: Date.now };
  const lines: string[] = [];
  const log = createLog('warn', {}, (line) => lines.push(line));
  const options = { deadline: Date.now() + 60_000, always: false };
  expect(await drain({ ...parts, log }, copies, options)).toMatchObject({
    mainAnswered: false,
    isHeld: true,
  });
  for (const { id } of copies) expect(await redis.client.exists(keys.transaction(id))).toBe(1);
  expect(lines.join()).toContain('a change of users or tokens could not be restored');
  // main now counts as unreachable, and the copies are redelivered
  lines.length = 0;
  await redis.client.set(keys.mainDown, '1');
  await drain({ ...parts, log }, copies, options);
  expect(lines.join()).toContain('a change of users or tokens could not be restored');
  await nowhere.end();
});
