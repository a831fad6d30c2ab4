/** Processors with real stores: no transaction blocks another, and unreadable messages are kept. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { drain, type Drained, type DrainParts } from '../../functions/process/drain.ts';
import { storeMessages, retryUnreadable, readMessage } from '../../functions/process/unreadable.ts';
import { readFailureHistory } from '../../lib/buffer/suspects.ts';
import { createLog } from '../../lib/observability/log.ts';
import { idOfBody, storeUnreadable } from '../../lib/postgres/unreadable.ts';
import { transactionMessage } from '../../lib/queue/messages.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { acceptByHand } from '../support/by-hand.ts';
import { builder, finish, start } from '../support/made-transactions.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let main: TestMain;
let redis: TestRedis;
let site: Site;
let parts: DrainParts;
let lines: string[] = [];
const keys = keysOf('halving');

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  site = { redis: redis.client, keys };
  const log = createLog('warn', {}, (line) => lines.push(line));
  parts = { redis: redis.client, keys, main: main.pool, startWaitSeconds: 900, now: Date.now, log };
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));
afterEach(async () => {
  lines = [];
  await main.pool.query('drop function if exists misbehave cascade');
  await redis.client.flushdb();
});

const run = (copies: readonly Transaction[] = []) =>
  drain(parts, copies, { deadline: Date.now() + 4000, end: Date.now() + 30_000, always: true });
const buffer = async (...batch: Transaction[]) => {
  for (const each of batch) await acceptByHand({ redisClient: redis.client, keys }, each);
};
const outcomeOf = async ({ id }: Pick<Transaction, 'id'>) => {
  const { rows } = await main.pool.query<{ outcome: string; parked_for: string | null }>(
    'select outcome, parked_for from inbox where transaction_id = $1',
    [id],
  );
  return rows[0] && [rows[0].outcome, rows[0].parked_for].filter(Boolean).join(' ');
};
const outcomes = (batch: readonly Transaction[]) => Promise.all(batch.map(outcomeOf));
const logged = (metric: string) => lines.filter((line) => line.includes(`"metric":"${metric}"`));

/** A foreign trigger that runs `how` for each row of planned unit 66. */
const misbehave = (how: string) =>
  main.pool.query(`
    create function misbehave() returns trigger language plpgsql as $$
    begin if new.obs_unit_id = 66 then ${how}; end if; return new; end $$;
    create trigger misbehave before insert on executed_obs_unit for each row execute function misbehave()`);

it('drain sets a slow transaction aside after three timeouts alone, and applies all others at once', async () => {
  await misbehave('perform pg_sleep(60)');
  const slow = start(randomUUID(), { obsUnitId: 66 });
  const behind = finish(slow.aggregate);
  const good = Array.from({ length: 9 }, () => start(randomUUID()));
  await buffer(...good.slice(0, 4), slow, behind, ...good.slice(4));
  const first = await run();
  expect(await outcomes(good)).toEqual(good.map(() => 'applied'));
  expect(await outcomes([slow, behind])).toEqual([undefined, undefined]);
  expect(first).toMatchObject({ mainAnswered: true, heldSeconds: 5 });
  expect(await redis.client.zcard(keys.pending)).toBe(2);
  expect([...(await readFailureHistory(site)).suspects]).toMatchObject([[slow.id, { failures: 1 }]]);
  const next = start(randomUUID());
  await buffer(next);
  await run();
  expect(await outcomeOf(next)).toBe('applied');
  expect(await outcomeOf(slow)).toBeUndefined();
  await run();
  expect(await outcomes([slow, behind])).toEqual(['parked failed', 'parked behind']);
  expect(logged('SetAside')).toHaveLength(1);
  expect((await readFailureHistory(site)).suspects.size).toBe(0);
  expect(await run()).toMatchObject({ heldSeconds: undefined, backlog: 0 });
  // an admin retries it once it is no longer slow
  await main.pool.query('drop function misbehave cascade');
  await buffer(builder(slow.aggregate).retry(slow.id).build());
  await run();
  expect(await outcomes([slow, behind])).toEqual(['applied', 'applied']);
});

it('drain leaves a transaction pending that a foreign trigger refuses, raises an alarm and applies all others', async () => {
  await misbehave("raise exception 'not mine'");
  const hit = start(randomUUID(), { obsUnitId: 66 });
  const good = Array.from({ length: 5 }, () => start(randomUUID()));
  await buffer(hit, ...good);
  for (let runs = 0; runs < 4; runs += 1) await run();
  expect(await outcomes([hit, ...good])).toEqual([undefined, ...good.map(() => 'applied')]);
  expect(logged('DeploymentFault').length).toBeGreaterThan(0);
  expect(await redis.client.exists(keys.noProgress)).toBe(0);
  await main.pool.query('drop function misbehave cascade');
  await run();
  expect(await outcomeOf(hit)).toBe('applied');
});

it('drain sets nothing aside and stops early when main is broken', async () => {
  const batch = Array.from({ length: 40 }, () => start(randomUUID()));
  await buffer(...batch);
  await main.pool.query('alter table executed_obs_unit rename column metadata to lost');
  const drained: Drained[] = [];
  for (let runs = 0; runs < 3; runs += 1) drained.push(await run());
  const calls = logged('CallFailed').length;
  await main.pool.query('alter table executed_obs_unit rename column lost to metadata');
  expect(await outcomes(batch)).toEqual(batch.map(() => undefined));
  expect(logged('DeploymentFault').length).toBeGreaterThan(0);
  expect(calls).toBeLessThan(40);
  expect(await redis.client.zcard(keys.pending)).toBe(40);
  await run();
  expect(await outcomes(batch)).toEqual(batch.map(() => 'applied'));
});

it('drain waits for a locked row without counting a failure', async () => {
  const [held, good] = [start(randomUUID()), start(randomUUID())];
  await buffer(held);
  await run();
  const ended = finish(held.aggregate);
  await buffer(ended, good);
  const client = await main.pool.connect();
  await client.query(`begin; select from executed_obs_unit where id = '${held.aggregate}' for update`);
  for (let runs = 0; runs < 2; runs += 1) await run();
  expect(await outcomes([good, ended])).toEqual(['applied', undefined]);
  expect([...(await readFailureHistory(site)).suspects]).toMatchObject([[ended.id, { failures: 0 }]]);
  await client.query('rollback');
  client.release();
  await run();
  expect(await outcomeOf(ended)).toBe('applied');
});

it('drain reports a transaction that stays unrecorded although main answers', async () => {
  await misbehave("raise exception 'not mine'");
  const stamp = (Date.now() - 120_000) * 1000;
  await buffer(start(randomUUID(), { obsUnitId: 66, stamp }), start(randomUUID()));
  await run();
  expect(logged('NoProgress')).toHaveLength(1);
  expect(await redis.client.exists(keys.noProgress)).toBe(1);
});

it('drain stores an unreadable body at main without delaying others, and executes it once it is readable', async () => {
  const [odd, good] = [start(randomUUID()), start(randomUUID())];
  await buffer(odd, good);
  const body = JSON.stringify({ ...odd, version: 2 });
  await redis.client.hset(keys.overlay(odd.aggregate), { [`b:${odd.id}`]: body });
  await run();
  expect(await outcomes([odd, good])).toEqual([undefined, 'applied']);
  for (const key of [keys.pending, keys.inflight]) expect(await redis.client.zcard(key)).toBe(0);
  expect(await redis.client.hget(keys.transaction(odd.id), 'state')).toBe('failed');
  const kept = async () =>
    (await main.pool.query<{ id: string; body: string }>('select * from unreadable_message')).rows;
  expect(await kept()).toMatchObject([{ id: idOfBody(body), body, count: 1, outcome: null }]);
  // a copy of the same transaction in a message is the same body
  const message = readMessage(transactionMessage({ ...odd, version: 2 as 1 }));
  if (message.kind !== 'unreadable') throw new Error('the message was read');
  expect(await storeMessages(parts, [message])).toBe(true);
  expect(await kept()).toMatchObject([{ count: 2 }]);

  // nothing is due; then an admin retries, and this release can read it
  await retryUnreadable(parts, false, run);
  expect(await kept()).toMatchObject([{ outcome: null }]);
  await main.pool.query(
    'update unreadable_message set body = replace(body, \'"version":2\', \'"version":1\')',
  );
  await buffer(builder(idOfBody(body)).retry(idOfBody(body)).build());
  const { hasRetried } = await run();
  expect(hasRetried).toBe(true);
  await retryUnreadable(parts, hasRetried, run);
  expect(await outcomeOf(odd)).toBe('applied');
  expect(await kept()).toMatchObject([{ outcome: 'read', transaction_id: odd.id }]);
});

it('drain marks an unreadable message as discarded when an admin discards it', async () => {
  await storeUnreadable(main.pool, [{ body: 'garbage', reason: 'not JSON' }]);
  const id = idOfBody('garbage');
  await buffer(builder(id).discard(id, 'a test').build());
  await run();
  const { rows } = await main.pool.query('select outcome from unreadable_message where id = $1', [id]);
  expect(rows).toEqual([{ outcome: 'discarded' }]);
  expect(readMessage('{"kind":"wake"}')).toEqual({ kind: 'wake' });
  expect(readMessage('garbage')).toMatchObject({ kind: 'unreadable', body: 'garbage' });
});
