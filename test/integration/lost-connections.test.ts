/** The first call after a freeze succeeds although its connection died meanwhile. */
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectPostgres, type Pool } from '../../lib/postgres/connect.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { RedisUnreachable, redisFailure } from '../../lib/redis/failure.ts';
import { script } from '../../lib/redis/script.ts';
import { freePort } from '../../infra/local/ports.ts';
import { createQueues, startSqs, type LocalSqs } from '../../infra/local/sqs.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { startBreakingProxy, type BreakingProxy } from '../support/breaking-proxy.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

const rounds = Array.from({ length: 8 }, (_, n) => n);
const breaks = ['reset', 'vanish'] as const;

describe('the Redis client', () => {
  let redis: TestRedis;
  let proxy: BreakingProxy;
  const timeoutMilliseconds = 1500;

  beforeAll(async () => {
    redis = await startTestRedis();
    proxy = await startBreakingProxy(Number(new URL(redis.url).port));
  });
  afterAll(async () => {
    proxy.stop();
    await redis.stop();
  });
  const client = (suspectAfterMilliseconds = 0) =>
    connectRedis({
      url: `http://127.0.0.1:${proxy.port}`,
      token: redis.token,
      timeoutMilliseconds,
      suspectAfterMilliseconds,
    });
  const count = script(`return redis.call('INCR', KEYS[1])`);

  it.each(breaks)(
    'completes every first call on connections that ended by %s, each within its timeout',
    async (how) => {
      const through = client();
      for (const round of rounds) {
        // concurrent calls, so that several connections are idle afterwards
        await Promise.all([1, 2, 3].map((n) => through.set(`k${n}`, String(round))));
        proxy[how]();
        expect(await through.get('k1')).toBe(String(round));
        expect(await through.pipeline().get('k2').get('k3').exec()).toEqual([String(round), String(round)]);
      }
    },
  );

  it('does not retry a call whose new connection fails', async () => {
    const nowhere = connectRedis({
      url: `http://127.0.0.1:${await freePort()}`,
      token: 'none',
      timeoutMilliseconds,
    });
    const error = await nowhere.get('x').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RedisUnreachable);
    const before = proxy.count();
    const through = client();
    const asked = through.get('k1');
    await asked;
    expect(proxy.count()).toBe(before + 1);
  });

  it('distinguishes an unreachable Redis, one that cannot accept writes, and a defect', async () => {
    const through = client(1e9);
    const failureOf = async (asked: Promise<unknown>) =>
      asked.then(
        () => 'none',
        (error: unknown) => redisFailure(error),
      );
    await through.set('text', 'abc');
    expect(await failureOf(through.incr('text'))).toBe('defect');
    expect(await failureOf(count(through, ['text'], []))).toBe('defect');
    expect(await failureOf(through.pipeline().incr('text').exec())).toBe('defect');
    expect(await failureOf(connectRedis({ url: redis.url, token: 'wrong' }).get('text'))).toBe('defect');
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    expect(await failureOf(through.set('text', 'more'))).toBe('unable');
    expect(await failureOf(count(through, ['n'], []))).toBe('unable');
    expect(await failureOf(through.pipeline().get('text').set('text', 'more').exec())).toBe('unable');
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    await redis.command('REPLICAOF', '127.0.0.1', '1');
    expect(await failureOf(through.set('text', 'more'))).toBe('unable');
    expect(await failureOf(count(through, ['n'], []))).toBe('unable');
    await redis.command('REPLICAOF', 'NO', 'ONE');
    expect(await through.get('text')).toBe('abc');
  });
});

describe('the Postgres pool', () => {
  let main: TestMain;
  let proxy: BreakingProxy;
  let pool: Pool;

  beforeAll(async () => {
    main = await startTestMain();
    const url = new URL(main.url);
    proxy = await startBreakingProxy(Number(url.port));
    url.port = String(proxy.port);
    pool = connectPostgres({
      url: url.href,
      applicationName: 'test',
      maxConnections: 5,
      suspectAfterMilliseconds: 0,
      checkMilliseconds: 150,
    });
  });
  afterAll(async () => {
    await pool.end();
    proxy.stop();
    await main.stop();
  });

  it.each(breaks)('completes every first call on connections that ended by %s', async (how) => {
    for (const round of rounds) {
      await Promise.all([1, 2].map(() => pool.query('select 1')));
      proxy[how]();
      const { rows } = await pool.query('select $1::integer as n', [round]);
      expect(rows).toEqual([{ n: round }]);
    }
  });

  it('waits for one connection that vanished, however many have', async () => {
    await Promise.all(rounds.map(() => pool.query('select 1')));
    proxy.vanish();
    const before = proxy.discardedQueries();
    await pool.query('select 1');
    expect(proxy.discardedQueries()).toBe(before + 1);
  });
});

describe('the queue', () => {
  let sqs: LocalSqs;
  let proxy: BreakingProxy;
  let queue: Queue;

  beforeAll(async () => {
    sqs = await startSqs();
    proxy = await startBreakingProxy(Number(new URL(sqs.endpoint).port));
    Object.assign(process.env, {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    });
    const client = new SQSClient({ endpoint: sqs.endpoint });
    const { transactions } = await createQueues(client);
    client.destroy();
    const url = transactions.url.replace(sqs.endpoint, `http://127.0.0.1:${proxy.port}`);
    queue = new Queue({ url, timeoutMilliseconds: 1500, maxAttempts: 1, suspectAfterMilliseconds: 0 });
  });
  afterAll(async () => {
    proxy.stop();
    await sqs.stop();
  });

  it.each(breaks)(
    'completes 5 of 5 first sends on connections that ended by %s, in one attempt',
    async (how) => {
      for (const round of rounds.slice(0, 5)) {
        await Promise.all([1, 2, 3].map((n) => queue.send(`${round} ${n}`)));
        proxy[how]();
        await queue.send(String(round));
      }
    },
  );
});
