/** Changes by others: told in the order of their commits, once, and forgotten at main after a week. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { streams } from '../../lib/change-feed/append.ts';
import { readEnds, readFeed } from '../../lib/change-feed/read.ts';
import { relayOutbox } from '../../lib/change-feed/relay.ts';
import { pruneOutbox } from '../../lib/postgres/outbox.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

let main: TestMain;
let redis: TestRedis;
const keys = keysOf('outbox');

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));

const relay = () => relayOutbox(redis.client, keys, main.pool);
const toldOf = async () => {
  const start = { observations: '0-0', transfer: '0-0', buffer: '0-0', connections: '0-0' };
  return (await readFeed(redis.client, keys, start, 'epoch')).tails;
};

it('what commits late is not skipped, though its number is lower', async () => {
  await relay();
  const insert =
    'insert into executed_obs_unit (id, obs_unit_id, status, start_time) values ($1, 1, $2, now())';
  const [slow, quick] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
  const client = await main.pool.connect();
  await client.query('begin');
  await client.query(insert, [slow, 'running']);
  await main.pool.query(insert, [quick, 'running']);
  await relay();
  expect((await toldOf()).observations.entries).toEqual([]);
  await client.query('commit');
  client.release();
  await relay();
  await relay();
  expect((await toldOf()).observations.entries.map(({ record }) => record)).toEqual([slow, quick]);
});

it('what was relayed by two at once is told once', async () => {
  await main.pool.query("update data_transfer set status = 'failed' where id = 1");
  await Promise.all([relay(), relay(), relay()]);
  expect((await toldOf()).transfer.entries).toHaveLength(1);
});

it('rows are kept for a week', async () => {
  await main.pool.query(
    "update change_outbox set changed_at = now() - interval '8 days' where id = (select min(id) from change_outbox)",
  );
  expect(await pruneOutbox(main.pool)).toBe(1);
  expect(await pruneOutbox(main.pool)).toBe(0);
});

it('an epoch is made once, and stays', async () => {
  expect((await readEnds(redis.client, keys, 'another')).epoch).toBe('epoch');
});

it('what was written to an empty stream and is gone before anybody read it is missed aloud', async () => {
  const feed = keys.feed(streams.transfer.stream);
  await redis.client.del(feed);
  const { positions } = await readEnds(redis.client, keys, 'epoch');
  const tail = async () => (await readFeed(redis.client, keys, positions, 'epoch')).tails.transfer;
  expect(await tail()).toMatchObject({ entries: [], isBroken: false });
  await redis.client.xadd(feed, '*', { change: 'changed' });
  expect(await tail()).toMatchObject({ entries: [{ change: 'changed' }], isBroken: false });
  await redis.client.xtrim(feed, { strategy: 'MAXLEN', threshold: 0 });
  await redis.client.xadd(feed, '*', { change: 'changed' });
  expect(await tail()).toMatchObject({ isBroken: true });
});
