/** Each window of the protocol, opened deliberately on a stack whose processors run only on demand. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accept } from '../../lib/buffer/accept.ts';
import { mark } from '../../lib/buffer/mark.ts';
import { readBodies } from '../../lib/buffer/bodies.ts';
import { readReference } from '../../lib/buffer/reference.ts';
import { draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { transactionMessage, wakeMessage } from '../../lib/queue/messages.ts';
import { confirm } from '../../lib/replication/confirm.ts';
import { readLsn } from '../../lib/values/lsn.ts';
import { uuidV7 } from '../../lib/transaction/ids.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { randomBytes } from 'node:crypto';
import { applyByHand, confirmByHand, settleByHand } from '../support/by-hand.ts';
import { drainMessages } from '../support/traces.ts';
import { eventually } from '../support/eventually.ts';
import { finishUnit, startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({
    settings: { ANSWER_BUDGET_MS: 'always', BUFFER_BUDGET_BYTES: '2000000', START_WAIT_SECONDS: '2' },
  });
  await stack.quiesce();
});
afterAll(() => stack.stop());

/** Waits until every transaction is at main, replicated and cleaned. */
async function settle(): Promise<void> {
  stack.link.set({ up: true });
  await stack.replica.query('select pg_wal_replay_resume()');
  await settleByHand(stack);
}
beforeEach(settle);
afterEach(settle);

async function pendingTransactions(): Promise<Transaction[]> {
  const { redisClient, keys } = stack;
  const references = await redisClient.zrange<string[]>(keys.pending, 0, -1);
  const { transactions } = await readBodies({ redis: redisClient, keys }, references.map(readReference));
  return [...transactions];
}
const read = async (id: unknown) => stack.api(`/executed_obs_units/${String(id)}`);
const stateOf = async (transaction: unknown) =>
  (await stack.api(`/api/transactions/${String(transaction)}`)).body.state;
const onMain = async (id: unknown) =>
  (await stack.main.query<{ status: string }>('select status from executed_obs_unit where id = $1', [id]))
    .rows;
const caughtUp = () =>
  eventually(async () => {
    const { rows } = await stack.main.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    const replica = await stack.replica.query<{ lsn: string }>(
      'select pg_last_wal_replay_lsn()::text as lsn',
    );
    expect(readLsn(replica.rows[0]?.lsn ?? '').value).toBeGreaterThanOrEqual(
      readLsn(rows[0]?.lsn ?? '').value,
    );
  });

/** Buffers a start that was accepted `secondsAgo`, without its message. */
async function bufferAlone(secondsAgo: number): Promise<Transaction> {
  const now = Date.now() - secondsAgo * 1000;
  const [id, record] = [uuidV7(now, randomBytes(10)), uuidV7(now, randomBytes(10))];
  const heading = { id, stamp: now * 1000, principal: '1', operation: 'startExecutedObsUnit' };
  const draft = draftStart({ obs_unit_id: 9 }, record, heading, instantOfMilliseconds(now));
  const verdict = await accept(stack.site, {
    claimant: { kind: 'none', principalId: '1' },
    permission: 'write:observations',
    ...draft,
    nowMilliseconds: now,
    requestsPerSecond: 1000,
    budgetBytes: 1e9,
  });
  expect(verdict).toMatchObject({ accepted: true });
  return draft.transaction;
}

describe('W0: a retry after a lost answer', () => {
  it('is the same transaction and is executed once, even after Redis has lost the first attempt', async () => {
    const { redisClient, keys } = stack;
    const request = { obs_unit_id: 21, metadata: { try: 'any' } };
    const first = await startUnit(stack.api, request, 'W0');
    await settle();
    const keysOfRetries = await redisClient.keys('ops:idem:*');
    await redisClient.del(
      ...keysOfRetries,
      keys.transaction(String(first.body.transaction_id)),
      keys.record(String(first.body.id)),
    );
    const again = await startUnit(stack.api, request, 'W0');
    expect(again.status).toBe(201);
    expect([again.body.id, again.body.transaction_id]).toEqual([first.body.id, first.body.transaction_id]);
    await settle();
    const { rows } = await stack.main.query('select attempts from inbox where obs_unit_id = 21');
    expect(rows).toEqual([{ attempts: 1 }]);
  });

  it.each([
    ['in order', false],
    ['the finish first', true],
  ])('gets the same answer after copies have restored the lost entries, %s', async (name, isReversed) => {
    const { redisClient, keys } = stack;
    const start = { obs_unit_id: 23, metadata: { try: name } };
    const finish = { metadata: { seeing: 1 } };
    const started = await startUnit(stack.api, start, `start ${name}`);
    const finished = await finishUnit(stack.api, started.body.id, finish, `finish ${name}`);
    const copies = (await pendingTransactions()).map(transactionMessage);
    await redisClient.del(
      ...(await redisClient.keys('ops:idem:*')),
      ...[started, finished].map(({ body }) => keys.transaction(String(body.transaction_id))),
      keys.record(String(started.body.id)),
      keys.overlay(String(started.body.id)),
      keys.pending,
    );
    stack.link.set({ up: false });
    if (isReversed) copies.reverse();
    for (const copy of copies) expect(await applyByHand(stack, copy)).toEqual([0]);
    const again = await startUnit(stack.api, start, `start ${name}`);
    const ended = await finishUnit(stack.api, started.body.id, finish, `finish ${name}`);
    expect(again).toMatchObject({ status: 201, body: started.body });
    expect(ended).toMatchObject({ status: 200, body: finished.body });
  });

  it('gets the first answer, marked as a replay', async () => {
    const first = await startUnit(stack.api, { obs_unit_id: 22 }, 'W0 again');
    const again = await startUnit(stack.api, { obs_unit_id: 22 }, 'W0 again');
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await stack.redisClient.zcard(stack.keys.pending)).toBe(1);
  });
});

describe('W1: a transaction whose message was never sent', () => {
  it('is resent by the sweeper after a minute', async () => {
    const { aggregate, id } = await bufferAlone(120);
    await stack.runSchedule('sweep');
    const message = (await drainMessages(stack)).find((body) => body.includes(id));
    expect(message).toBeDefined();
    await applyByHand(stack, message ?? '');
    expect(await onMain(aggregate)).toHaveLength(1);
  });

  it('is applied after a wake-up message alone', async () => {
    const { aggregate } = await bufferAlone(0);
    await applyByHand(stack);
    expect(await onMain(aggregate)).toHaveLength(1);
  });
});

describe('W4: a processor that dies before the commit', () => {
  it('leaves its claimed transactions to the next one', async () => {
    const started = await startUnit(stack.api);
    stack.link.set({ up: false });
    const dying = applyByHand(stack).catch((error: unknown) => error);
    await eventually(async () => expect(await stack.redisClient.zcard(stack.keys.inflight)).toBe(1));
    for (const pid of stack.parts.lambdas.apply.pids()) process.kill(pid, 'SIGKILL');
    expect(await dying).toBeInstanceOf(Error);
    stack.link.set({ up: true });
    expect(await onMain(started.body.id)).toEqual([]);
    // let its lease expire
    const [reference = ''] = await stack.redisClient.zrange<string[]>(stack.keys.inflight, 0, 0);
    await stack.redisClient.zadd(stack.keys.inflight, { score: 1, member: reference });
    await applyByHand(stack);
    expect(await onMain(started.body.id)).toHaveLength(1);
  });
});

describe('W6, W7: a transaction committed but not marked in Redis', () => {
  it('is not executed again when it is redelivered, and then marked', async () => {
    const started = await startUnit(stack.api);
    const batch = await pendingTransactions();
    await applyTransactions(stack.main, batch, 900);
    expect(await stateOf(started.body.transaction_id)).not.toBe('committed');
    expect(await applyByHand(stack, ...batch.map(transactionMessage))).toEqual([]);
    const { rows } = await stack.main.query('select attempts from inbox where transaction_id = $1', [
      started.body.transaction_id,
    ]);
    expect(rows).toEqual([{ attempts: 1 }]);
    await settle();
    expect(await stateOf(started.body.transaction_id)).toBe('replicated');
  });
});

describe('W3: a transaction that Redis has lost', () => {
  it('is restored from its message, which returns to the queue while main is unreachable', async () => {
    const started = await startUnit(stack.api);
    const batch = await pendingTransactions();
    const { redisClient, keys } = stack;
    const [reference = ''] = await redisClient.zrange<string[]>(keys.pending, 0, 0);
    await redisClient.del(keys.transaction(String(started.body.transaction_id)));
    await redisClient.del(keys.overlay(String(started.body.id)));
    await redisClient.zrem(keys.pending, reference);
    expect((await read(started.body.id)).status).toBe(404);
    stack.link.set({ up: false });
    expect(await applyByHand(stack, ...batch.map(transactionMessage))).toEqual([0]);
    expect((await read(started.body.id)).body).toMatchObject({
      status: 'running',
      sync: { state: 'buffered' },
    });
  });
});

describe('W8: a lost replication check', () => {
  it('is made up for by the sweeper', async () => {
    await stack.replica.query('select pg_wal_replay_pause()');
    const started = await startUnit(stack.api);
    await applyByHand(stack);
    expect(await stateOf(started.body.transaction_id)).toBe('committed');
    await stack.runSchedule('sweep');
    expect(await stack.redisClient.exists(stack.keys.overlay(String(started.body.id)))).toBe(1);
    await stack.replica.query('select pg_wal_replay_resume()');
    await caughtUp();
    await stack.runSchedule('sweep');
    expect(await stack.redisClient.exists(stack.keys.overlay(String(started.body.id)))).toBe(0);
  });
});

describe('W9: a commit that main has lost in a failover', () => {
  it('is executed again once the replicas have replayed past it without its inbox row', async () => {
    await stack.replica.query('select pg_wal_replay_pause()');
    const started = await startUnit(stack.api);
    await applyByHand(stack);
    await stack.main.query('delete from inbox where transaction_id = $1', [started.body.transaction_id]);
    await stack.main.query('delete from executed_obs_unit where id = $1', [started.body.id]);
    await stack.replica.query('select pg_wal_replay_resume()');
    await caughtUp();
    await confirmByHand(stack);
    expect((await read(started.body.id)).body.sync).toMatchObject({ state: 'buffered' });
    await applyByHand(stack);
    expect(await onMain(started.body.id)).toHaveLength(1);
  });
});

describe('W10: a replica below the floor', () => {
  it('does not answer: reads get 503 instead of an old record', async () => {
    const started = await startUnit(stack.api);
    await settle();
    const floor = await stack.redisClient.get<string>(stack.keys.floor);
    await stack.redisClient.set(stack.keys.floor, String(2 ** 52));
    const refused = await read(started.body.id);
    expect(refused.status).toBe(503);
    expect(refused.body.detail).toContain('replica');
    await stack.redisClient.set(stack.keys.floor, floor);
    expect((await read(started.body.id)).status).toBe(200);
  });
});

describe('W11: a replica without a replay position', () => {
  it('prevents cleaning', async () => {
    const { redisClient: redis, keys } = stack;
    await stack.replica.query('select pg_wal_replay_pause()');
    await startUnit(stack.api);
    await applyByHand(stack);
    await stack.replica.query('select pg_wal_replay_resume()');
    await caughtUp();
    const near = { name: 'near', pool: stack.replica };
    // a primary has no replayed position
    const promoted = { name: 'promoted', pool: stack.main };
    expect(await confirm({ redis, keys, replicas: [near, promoted] }, Date.now())).toMatchObject({
      cleaned: 0,
      remaining: 1,
    });
    expect(await confirm({ redis, keys, replicas: [near] }, Date.now())).toMatchObject({ cleaned: 1 });
  });
});

describe('W12: a finish without its start', () => {
  it('is shown as failed after the wait limit, and applied if its start arrives later', async () => {
    const id = uuidV7(Date.now(), randomBytes(10));
    await finishUnit(stack.api, id);
    await applyByHand(stack);
    expect((await read(id)).body.sync).toMatchObject({ state: 'buffered', verified: false });
    await drainMessages(stack);
    await eventually(async () => {
      await stack.runSchedule('sweep');
      if ((await drainMessages(stack)).includes(wakeMessage)) await applyByHand(stack);
      expect((await read(id)).body.sync).toMatchObject({ state: 'failed' });
    });
    await startUnit(stack.api, { obs_unit_id: 15, id });
    await settle();
    expect(await onMain(id)).toEqual([{ status: 'completed' }]);
    expect((await read(id)).body.sync).toEqual({ state: 'replicated' });
  });
});

describe('W15: a finish of a record unknown to Redis', () => {
  it('is accepted unverified and judged by main', async () => {
    const started = await startUnit(stack.api);
    await settle();
    await stack.redisClient.del(stack.keys.record(String(started.body.id)));
    const finished = await finishUnit(stack.api, started.body.id, { status: 'aborted' });
    expect(finished).toMatchObject({ status: 202, body: { sync: { verified: false } } });
    expect((await read(started.body.id)).body).toMatchObject({ status: 'aborted', obs_unit_id: 7 });
    await settle();
    expect(await onMain(started.body.id)).toEqual([{ status: 'aborted' }]);
  });
});

describe('W16: during a long outage,', () => {
  it('no buffered key expires', async () => {
    const { redisClient, keys } = stack;
    const started = await startUnit(stack.api, { obs_unit_id: 3 }, 'an idempotency key');
    const [id, transaction] = [String(started.body.id), String(started.body.transaction_id)];
    const held = [keys.transaction(transaction), keys.overlay(id), keys.record(id), keys.pending, keys.stats];
    for (const key of held) expect(await redisClient.ttl(key)).toBe(-1);
    const { url, token } = stack.description.redis;
    const answer = await fetch(url, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
      body: JSON.stringify(['CONFIG', 'GET', 'maxmemory-policy']),
    });
    expect(await answer.json()).toEqual({ result: ['maxmemory-policy', 'noeviction'] });
  });

  it('writes go to SQS alone while the buffer is full, and its space is freed later', async () => {
    const large = {
      obs_unit_id: 4,
      metadata: Object.fromEntries(['a', 'b', 'c'].map((k) => [k, 'x'.repeat(60_000)])),
    };
    const bytes = () => stack.redisClient.hget(stack.keys.stats, 'bytes');
    const before = await bytes();
    const stored: unknown[] = [];
    for (let n = 0; n < 8; n += 1) {
      const { status, body } = await startUnit(stack.api, large);
      expect(status).toBe(201);
      stored.push((body.sync as { stored_in?: string }).stored_in ?? 'both');
    }
    expect(new Set(stored)).toEqual(new Set(['both', 'sqs']));
    await settle();
    expect(await bytes()).toBe(before);
  });
});

describe('W18: a late mark', () => {
  it('does not replace a newer state', async () => {
    const { redisClient: redis, keys } = stack;
    const started = await startUnit(stack.api);
    const batch = await pendingTransactions();
    const { rows, lsn } = await applyTransactions(stack.main, batch, 900);
    const later = rows.map((row) => ({
      ...row,
      revision: 3,
      outcome: 'parked' as const,
      parkedFor: 'failed' as const,
    }));
    expect(await mark({ redis, keys }, later, lsn, Date.now())).toMatchObject({ marked: 1 });
    expect(await mark({ redis, keys }, rows, lsn, Date.now())).toMatchObject({ marked: 0 });
    expect(await redis.hget(keys.transaction(String(started.body.transaction_id)), 'state')).toBe('failed');
    // restore the true state, so that it can be cleaned
    await redis.hset(keys.transaction(String(started.body.transaction_id)), {
      revision: 1,
      state: 'committed',
    });
  });
});

describe('W19: the limit of a list', () => {
  it('applies after the merge', async () => {
    const times = ['2027-01-01T00:00:00Z', '2027-01-03T00:00:00Z', '2027-01-05T00:00:00Z'];
    const begin = (start_time: string) => startUnit(stack.api, { obs_unit_id: 299, start_time });
    for (const time of times) await begin(time);
    await settle();
    await caughtUp();
    await begin('2027-01-02T00:00:00Z');
    await begin('2027-01-04T00:00:00Z');
    const days = async (limit: number) => {
      const { body } = await stack.api(`/executed_obs_units?obs_unit_id=299&limit=${limit}`);
      return (body as unknown as { start_time: string }[]).map(({ start_time }) =>
        Number(start_time.slice(8, 10)),
      );
    };
    expect(await days(3)).toEqual([5, 4, 3]);
    expect(await days(5)).toEqual([5, 4, 3, 2, 1]);
  });
});
