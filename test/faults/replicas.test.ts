/** Two replicas at the site: one lagging, promoted or rebuilt under traffic, and both unreachable. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { rebuildReplica, startReplica, type PostgresServer } from '../../infra/local/postgres.ts';
import { join } from 'node:path';
import type pg from 'pg';
import { applyByHand, confirmByHand, settleByHand } from '../support/by-hand.ts';
import { eventually } from '../support/eventually.ts';
import { readExecutedObsUnits } from '../../lib/smart-query/executed-obs-units.ts';
import { testPool } from '../support/test-pool.ts';
import { finishUnit, startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
/** `site` is the nearest */
let servers: Record<'site' | 'site_2', PostgresServer>;
let pools: Record<'site' | 'site_2', pg.Pool>;
type Name = keyof typeof servers;

beforeAll(async () => {
  stack = await startTestStack({ replicas: 2, settings: { ANSWER_BUDGET_MS: 'always' } });
  await stack.quiesce();
  const [site, site_2] = stack.parts.replicas;
  if (!site || !site_2) throw new Error('the stack has fewer than two replicas');
  servers = { site, site_2 };
  pools = { site: testPool(site.url), site_2: testPool(site_2.url) };
});
afterAll(async () => {
  await Promise.all(Object.values(pools).map((pool) => pool.end()));
  await Promise.all(Object.values(servers).map((server) => server.stop()));
  await stack.stop();
});
const settle = () => settleByHand(stack);
beforeEach(settle);

const options = () => ({ directory: join(stack.directory, 'postgres'), durable: false });
async function start(name: Name): Promise<void> {
  const { port } = servers[name];
  servers[name] = await startReplica({ ...options(), mainPort: stack.link.port, name, port });
}
const pause = (name: Name) => pools[name].query('select pg_wal_replay_pause()');
const resume = (name: Name) => pools[name].query('select pg_wal_replay_resume()');
const read = async (id: unknown) => stack.api(`/executed_obs_units/${String(id)}`);
const isBuffered = async (id: unknown) =>
  (await stack.redisClient.exists(stack.keys.overlay(String(id)))) === 1;
const rowsAt = async (name: Name, id: unknown) =>
  (await pools[name].query<{ status: string }>('select status from executed_obs_unit where id = $1', [id]))
    .rows;

describe('while one replica lags behind,', () => {
  it('nothing is cleaned before it has the inbox row, and every replica shows the record', async () => {
    await pause('site_2');
    const { body } = await startUnit(stack.api, { obs_unit_id: 11 });
    await applyByHand(stack);
    await eventually(async () => expect(await rowsAt('site', body.id)).toHaveLength(1));
    await confirmByHand(stack);
    expect(await isBuffered(body.id)).toBe(true);
    expect((await read(body.id)).body.sync).toMatchObject({ state: 'replicated' });

    // only the lagging one answers
    await servers.site.stop();
    expect(await rowsAt('site_2', body.id)).toEqual([]);
    expect((await read(body.id)).body).toMatchObject({ status: 'running', sync: { state: 'committed' } });
    await finishUnit(stack.api, body.id);
    expect((await read(body.id)).body).toMatchObject({ status: 'completed', sync: { state: 'buffered' } });
    // an unreachable replica also prevents cleaning
    await resume('site_2');
    await applyByHand(stack);
    await eventually(async () => expect(await rowsAt('site_2', body.id)).toEqual([{ status: 'completed' }]));
    await confirmByHand(stack);
    expect(await isBuffered(body.id)).toBe(true);

    await start('site');
    await settle();
    expect(await isBuffered(body.id)).toBe(false);
    expect((await read(body.id)).body).toMatchObject({
      status: 'completed',
      sync: { state: 'replicated' },
    });
  });

  it('only a replica at or above the floor answers', async () => {
    const older = await startUnit(stack.api, { obs_unit_id: 12 });
    await settle();
    await servers.site.stop();
    await rebuildReplica(options(), stack.description.main, 'site');
    await start('site');
    await pause('site');
    const newer = await startUnit(stack.api, { obs_unit_id: 12 });
    await applyByHand(stack);
    const { redisClient, keys } = stack;
    await eventually(async () => expect(await rowsAt('site_2', newer.body.id)).toHaveLength(1));
    // as if it had been cleaned before the nearest one was rebuilt
    const [reference = '', lsn = ''] = await redisClient.zrange<string[]>(keys.committed, 0, 0, {
      withScores: true,
    });
    await redisClient.zrem(keys.committed, reference);
    await redisClient.del(keys.overlay(String(newer.body.id)));
    await redisClient.set(keys.floor, lsn);
    expect(await rowsAt('site', newer.body.id)).toEqual([]);
    expect((await read(newer.body.id)).status).toBe(200);
    expect((await stack.api('/executed_obs_units?obs_unit_id=12')).body).toMatchObject([
      { id: newer.body.id },
      { id: older.body.id },
    ]);
    await resume('site');
  });
});

describe('a promoted standby', () => {
  it('answers no reads and prevents cleaning, visible in the buffer report, until it is rebuilt', async () => {
    const before = await startUnit(stack.api, { obs_unit_id: 13 });
    await settle();
    await pools.site.query('select pg_promote()');
    await pools.site.query(
      `update executed_obs_unit set status = 'failed', metadata = '{"timeline": "other"}' where id = $1`,
      [before.body.id],
    );
    expect((await read(before.body.id)).body).toMatchObject({ status: 'running', metadata: {} });
    const { body } = await startUnit(stack.api, { obs_unit_id: 13 });
    await applyByHand(stack);
    await eventually(async () => expect(await rowsAt('site_2', body.id)).toHaveLength(1));
    await confirmByHand(stack);
    expect(await isBuffered(body.id)).toBe(true);
    expect((await stack.api('/api/buffer')).body.replicas).toMatchObject([
      { name: 'site', answers: true, standby: false, lag_bytes: null },
      { name: 'site_2', answers: true, standby: true, streaming: true },
    ]);

    await servers.site.stop();
    await rebuildReplica(options(), stack.description.main, 'site');
    await start('site');
    await settle();
    expect(await isBuffered(body.id)).toBe(false);
    expect(await rowsAt('site', before.body.id)).toEqual([{ status: 'running' }]);
  });
});

describe('while standbys are rebuilt,', () => {
  it('no read under traffic misses or reverts a record, and everything is cleaned afterwards', async () => {
    let isDone = false;
    const written: unknown[] = [];
    const violations: string[] = [];
    const mustBe = async (id: unknown, status: string) => {
      const reply = await read(id);
      if (reply.status === 503) return;
      if (reply.status !== 200 || reply.body.status !== status) {
        violations.push(`${reply.status} ${String(reply.body.status)} instead of ${status}`);
      }
    };
    const traffic = (async () => {
      while (!isDone) {
        const { body } = await startUnit(stack.api, { obs_unit_id: 14 });
        await mustBe(body.id, 'running');
        await finishUnit(stack.api, body.id);
        written.push(body.id);
        const earlier = written[Math.floor(written.length / 2)];
        for (const id of [body.id, earlier]) await mustBe(id, 'completed');
      }
    })();
    const processing = (async () => {
      while (!isDone) {
        await applyByHand(stack);
        await confirmByHand(stack);
      }
    })();
    for (const name of ['site', 'site_2'] as const) {
      await servers[name].stop();
      await rebuildReplica(options(), stack.description.main, name);
      const before = written.length;
      await start(name);
      await eventually(async () => expect(written.length).toBeGreaterThan(before + 5));
    }
    isDone = true;
    await Promise.all([traffic, processing]);
    expect(violations).toEqual([]);
    expect(written.length).toBeGreaterThan(20);
    await settle();
    for (const name of ['site', 'site_2'] as const) {
      const { rows } = await pools[name].query<{ n: number }>(
        "select count(*)::integer as n from executed_obs_unit where id = any ($1) and status = 'completed'",
        [written],
      );
      expect(rows).toEqual([{ n: written.length }]);
    }
  });
});

describe('while every replica is unreachable,', () => {
  it('reads show buffered records and name what they could not read', async () => {
    const replicated = await startUnit(stack.api, { obs_unit_id: 15 });
    const continued = await startUnit(stack.api, { obs_unit_id: 15, metadata: { n: 2 } });
    await settle();
    await finishUnit(stack.api, continued.body.id);
    const { body } = await startUnit(stack.api, { obs_unit_id: 15 });
    await Promise.all([servers.site.stop(), servers.site_2.stop()]);

    const seen = await read(body.id);
    expect(seen).toMatchObject({ status: 200, body: { status: 'running', obs_unit_id: 15 } });
    expect(seen.body.sync).toEqual({ state: 'buffered', unseen: 'replica' });
    expect(seen.headers.get('unseen')).toBe('replica');
    expect((await read(continued.body.id)).body).toMatchObject({
      obs_unit_id: 15,
      status: 'completed',
      metadata: { n: 2 },
      sync: { unseen: 'replica' },
    });
    expect(await read(replicated.body.id)).toMatchObject({ status: 503 });
    const list = await stack.api('/executed_obs_units/15');
    expect(list.headers.get('unseen')).toBe('replica');
    expect(list.body).toMatchObject([
      { id: body.id, sync: { unseen: 'replica' } },
      { id: continued.body.id, sync: { unseen: 'replica' } },
    ]);
    // an empty page would claim that there are no records
    for (const query of ['obs_unit_id=299', 'obs_unit_id=15&status=failed']) {
      expect(await stack.api(`/executed_obs_units?${query}`)).toMatchObject({
        status: 503,
        body: { code: 'replica-unavailable' },
      });
    }
    const completed = await stack.api('/executed_obs_units?obs_unit_id=15&status=completed');
    expect(completed).toMatchObject({ status: 200, body: [{ id: continued.body.id }] });
    expect(completed.headers.get('unseen')).toBe('replica');
    const parts = { redis: stack.redisClient, keys: stack.keys, replicas: [] };
    const ids = [body, continued.body, replicated.body].map(({ id }) => String(id));
    const { records, unseen } = await readExecutedObsUnits(parts, ids);
    expect([unseen, [...records.keys()]]).toEqual([['replica'], ids.slice(0, 2)]);
    const transaction = await stack.api(`/api/transactions/${String(body.transaction_id)}`);
    expect(transaction).toMatchObject({ status: 200, body: { state: 'buffered', unseen: 'replica' } });

    await Promise.all([start('site'), start('site_2')]);
    await settle();
    expect((await read(body.id)).body.sync).toEqual({ state: 'replicated' });
  });
});
