/** Changes by others: each is relayed once, whatever transactions are open at main; after a week main prunes it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PoolClient } from 'pg';
import { streams } from '../../lib/change-feed/streams.ts';
import { readBetween, readEnds, readFeed } from '../../lib/channels/read.ts';
import { readRelayLag } from '../../lib/change-feed/relay-lag.ts';
import { Relay } from '../../lib/change-feed/relay.ts';
import { pruneOutbox } from '../../lib/postgres/outbox.ts';
import { acquireLease } from '../../lib/change-feed/lease.ts';
import { createLog } from '../../lib/observability/log.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { relayChanges } from '../../functions/sweep/relay-changes.ts';
import { MainAsStandby } from '../support/broadcaster-fixture.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let main: TestMain;
let redis: TestRedis;
let site: Site;
const keys = keysOf('outbox');

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  site = { redis: redis.client, keys };
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));
/** Empties the feed. */
beforeEach(async () => {
  await drain();
  await redis.client.del(keys.feed(streams.observations.stream), keys.feed(streams.transfer.stream));
});

const drain = async (relay = new Relay(site)) => {
  while ((await relay.step(main.pool)).hasMore);
};
const read = async () => {
  const start = { observations: '0-0', transfer: '0-0', buffer: '0-0', connections: '0-0' };
  return (await readFeed(site, start, 'epoch')).tails;
};
const relayed = async () =>
  (await read()).observations.entries.map(({ record, left }) => [record, ...(left ? [left] : [])]);

const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const insert = (n: number, client: Pick<PoolClient, 'query'> = main.pool, obsUnitId = 1) =>
  client.query(
    "insert into executed_obs_unit (id, obs_unit_id, status, start_time) values ($1, $2, 'running', now())",
    [idOf(n), obsUnitId],
  );
async function open(): Promise<PoolClient> {
  const client = await main.pool.connect();
  await client.query('begin');
  await client.query('select pg_current_xact_id()');
  return client;
}
async function commit(client: PoolClient): Promise<void> {
  await client.query('commit');
  client.release();
}

describe('an open transaction at main', () => {
  it('delays no change of other transactions, and is relayed once it commits', async () => {
    const slow = await open();
    await insert(1, slow);
    await insert(2);
    await drain();
    expect(await relayed()).toEqual([[idOf(2)]]);
    await insert(3);
    await drain();
    await commit(slow);
    await insert(4);
    await drain();
    expect(await relayed()).toEqual([[idOf(2)], [idOf(3)], [idOf(1)], [idOf(4)]]);
    expect(await redis.client.hlen(keys.relayAhead)).toBe(0);
  });

  it('delays no transaction that is relayed in slices, also by several relays', async () => {
    const slow = await open();
    await insert(5, slow);
    await main.pool.query(
      `insert into executed_obs_unit (id, obs_unit_id, status, start_time)
        select ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, 1, 'running', now()
        from generate_series(1, 450) n`,
    );
    const [first, second] = [new Relay(site), new Relay(site)];
    expect(await first.step(main.pool)).toEqual({ hasRelayed: true, hasMore: true });
    expect((await relayed()).length).toBe(200);
    await Promise.all([drain(first), drain(second)]);
    expect((await relayed()).length).toBe(450);
    await commit(slow);
    await Promise.all([drain(first), drain(second)]);
    const records = await relayed();
    expect(new Set(records.flat()).size).toBe(451);
    expect(records.length).toBe(451);
  });

  it('shows in the relay lag', async () => {
    const none = { waiting_since: null, held_since: null };
    expect(await readRelayLag(site, main.pool)).toEqual(none);
    const slow = await open();
    await insert(6);
    const waiting = await readRelayLag(site, main.pool);
    expect(waiting.held_since).toBeNull();
    expect(waiting.waiting_since).toMatch(/^20.*\.\d{6}Z$/);
    await drain();
    expect(await readRelayLag(site, main.pool)).toEqual({
      ...none,
      held_since: waiting.waiting_since,
    });
    await commit(slow);
    await drain();
    expect(await readRelayLag(site, main.pool)).toEqual(none);
  });
});

describe('a sweep', () => {
  const sweep = async (laterMilliseconds: number) => {
    const logged: string[] = [];
    const standby = new MainAsStandby(main);
    await relayChanges({
      redis: redis.client,
      keys,
      replicas: [standby],
      log: createLog('warn', {}, (line) => logged.push(line)),
      now: () => Date.now() + laterMilliseconds,
    });
    await standby.stop();
    return logged.map((line) => (JSON.parse(line) as { metric: string }).metric);
  };

  it('relays when no broadcaster runs, and reports a long-running transaction', async () => {
    const slow = await open();
    await insert(110);
    expect(await sweep(0)).toEqual([]);
    expect(await relayed()).toEqual([[idOf(110)]]);
    expect(await sweep(601_000)).toEqual(['RelayHeld']);
    await commit(slow);
    expect(await sweep(601_000)).toEqual([]);
  });

  it('leaves relaying to a running broadcaster, and reports one that falls behind', async () => {
    const lease = await acquireLease(site);
    await insert(111);
    expect(await sweep(0)).toEqual([]);
    expect(await relayed()).toEqual([]);
    expect(await sweep(121_000)).toEqual(['RelayBehind']);
    await lease?.release();
  });
});

it('concurrent relays publish each change once', async () => {
  await main.pool.query("update data_transfer set status = 'failed' where id = 1");
  await Promise.all([drain(), drain(), drain()]);
  expect((await read()).transfer.entries).toHaveLength(1);
});

it('a relay publishes nothing that another relay has published since its read', async () => {
  await main.pool.query("update data_transfer set status = 'in_progress' where id = 1");
  let isOvertaken = false;
  const overtaken = new Proxy(redis.client, {
    get: (client, name) => {
      const method: unknown = Reflect.get(client, name);
      if (typeof method !== 'function' || name !== 'evalsha') return method;
      return async (...args: unknown[]) => {
        if (!isOvertaken) {
          isOvertaken = true;
          await drain();
        }
        return Reflect.apply(method, client, args) as unknown;
      };
    },
  });
  await drain(new Relay({ redis: overtaken, keys }));
  expect(isOvertaken).toBe(true);
  expect((await read()).transfer.entries).toHaveLength(1);
});

describe('a record that leaves its planned unit', () => {
  it.each([
    ['moved', 'update executed_obs_unit set obs_unit_id = 2 where id = any ($1)'],
    ['deleted', 'delete from executed_obs_unit where id = any ($1)'],
    ['renamed', `update executed_obs_unit set id = md5(id::text)::uuid where id = any ($1)`],
  ])(
    'is relayed with the planned unit it left when it is %s, for each row of a statement',
    async (how, sql) => {
      const ids = [how.length * 10, how.length * 10 + 1].map(idOf);
      for (const id of ids) await insert(Number(id.slice(-12)), main.pool, 1);
      await drain();
      await redis.client.del(keys.feed(streams.observations.stream));
      await main.pool.query(sql, [ids]);
      await drain();
      expect((await relayed()).filter(([, left]) => left)).toEqual(ids.map((id) => [id, 1]));
    },
  );

  it('is relayed also when the processor moves it, unlike other changes of the processor', async () => {
    await insert(90);
    await drain();
    await redis.client.del(keys.feed(streams.observations.stream));
    const processor = await open();
    await processor.query("select set_config('ops.processor', 'on', true)");
    await insert(91, processor);
    await processor.query("update executed_obs_unit set status = 'completed' where id = $1", [idOf(90)]);
    await processor.query('update executed_obs_unit set obs_unit_id = 2 where id = $1', [idOf(90)]);
    await processor.query('delete from executed_obs_unit where id = $1', [idOf(91)]);
    await commit(processor);
    await drain();
    expect(await relayed()).toEqual([[idOf(90), 1]]);
  });
});

it('TRUNCATE resets the feeds of the table', async () => {
  await main.pool.query('truncate data_transfer');
  await drain();
  const { observations, transfer } = await read();
  expect([observations.entries, transfer.entries]).toMatchObject([[], [{ change: 'changed' }]]);
  await main.pool.query('truncate executed_obs_unit cascade');
  await drain();
  expect((await read()).observations.entries).toMatchObject([{ change: 'reset' }]);
});

describe('old changes', () => {
  const age = () => main.pool.query("update change_outbox set changed_at = now() - interval '8 days'");

  it('are kept for a week, and a relay that missed them resets its feeds', async () => {
    await insert(100);
    await drain();
    await age();
    expect(await pruneOutbox(main.pool)).toBeGreaterThan(0);
    expect(await pruneOutbox(main.pool)).toBe(0);
    await drain();
    expect((await read()).observations.entries.map(({ change }) => change)).toEqual(['changed']);

    await insert(101);
    await age();
    await pruneOutbox(main.pool);
    await insert(102);
    await drain();
    const { observations, transfer } = await read();
    expect(observations.entries.slice(1)).toMatchObject([{ change: 'reset' }, { record: idOf(102) }]);
    expect(transfer.entries).toHaveLength(1);
  });

  it('cannot be resumed from after a day, even while their entry exists', async () => {
    const { positions } = await readEnds(site, 'epoch');
    const from = positions.observations;
    const resume = (nowMilliseconds: number) =>
      readBetween(site, 'observations', { from, to: from, nowMilliseconds });
    const [written] = from.split('-').map(Number);
    expect(await resume((written ?? 0) + 86_400_000)).toEqual([]);
    expect(await resume((written ?? 0) + 86_400_001)).toBeUndefined();
  });
});

it('readEnds creates the epoch once', async () => {
  await readEnds(site, 'epoch');
  expect((await readEnds(site, 'another')).epoch).toBe('epoch');
});

it('readFeed reports a broken tail when the first entry of a stream was trimmed unread', async () => {
  const feed = keys.feed(streams.transfer.stream);
  await redis.client.del(feed);
  const { positions } = await readEnds(site, 'epoch');
  const tail = async () => (await readFeed(site, positions, 'epoch')).tails.transfer;
  expect(await tail()).toMatchObject({ entries: [], isBroken: false });
  await redis.client.xadd(feed, '*', { change: 'changed' });
  expect(await tail()).toMatchObject({ entries: [{ change: 'changed' }], isBroken: false });
  await redis.client.xtrim(feed, { strategy: 'MAXLEN', threshold: 0 });
  await redis.client.xadd(feed, '*', { change: 'changed' });
  expect(await tail()).toMatchObject({ isBroken: true });
});
