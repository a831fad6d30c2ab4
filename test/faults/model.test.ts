/**
 * Random histories compared with a trivially right model: writes by instances whose clocks differ, finishes before their starts,
 * poison, an admin's decisions, rows that other programs change, stores that are full, read-only or unresponsive, processors that
 * die. No acknowledged record is ever missing, no field goes backwards, pages are complete, and each transaction has the right
 * outcome.
 */
import { fc, times } from '../support/property.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import { histories } from './model/history.ts';
import { runHistory } from './model/run-history.ts';
import type { Stores } from './model/system.ts';
import { SnapshotReplica } from './model/snapshot-replica.ts';

let main: TestMain;
let redis: TestRedis;
let stores: Stores;

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  const [near, far, old] = await Promise.all(
    ['near', 'far', 'old'].map((name) => SnapshotReplica.start(name, main.url)),
  );
  if (!near || !far || !old) throw new Error('unreachable');
  stores = { redis, main: main.pool, replicas: [near, far], old };
});
afterAll(async () => {
  await Promise.all([...stores.replicas, stores.old].map((each) => each.stop()));
  await Promise.all([main.stop(), redis.stop()]);
});

it('every read of a random history returns a value that the model allows', async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(histories, (history) => runHistory(stores, `history-${(count += 1)}`, history)),
    times(60),
  );
  expect(count).toBeGreaterThan(0);
});
