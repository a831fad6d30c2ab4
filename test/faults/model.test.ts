/**
 * Arbitrary histories against a trivially right model: writes by doors whose clocks differ, finishes before their starts, poison,
 * an admin's decisions, rows that other programs change, stores that are full, read-only or silent, processors that die. No
 * acknowledged record is ever missing, no field goes backwards, pages are complete, and each transaction has the right outcome.
 */
import { fc, times } from '../support/property.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import { histories } from './model/history.ts';
import { runHistory } from './model/run-history.ts';
import type { World } from './model/system.ts';
import { SnapshotReplica } from './model/snapshot-replica.ts';

let main: TestMain;
let redis: TestRedis;
let world: World;

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  const [near, far, old] = await Promise.all(
    ['near', 'far', 'old'].map((name) => SnapshotReplica.start(name, main.url)),
  );
  if (!near || !far || !old) throw new Error('unreachable');
  world = { redis, main: main.pool, replicas: [near, far], old };
});
afterAll(async () => {
  await Promise.all([...world.replicas, world.old].map((each) => each.stop()));
  await Promise.all([main.stop(), redis.stop()]);
});

it('every read of every history is as if all had been written at once, in one place', async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(histories, (history) => runHistory(world, `history-${(count += 1)}`, history)),
    times(60),
  );
  expect(count).toBeGreaterThan(0);
});
