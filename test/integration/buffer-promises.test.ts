/** The guarantees of the buffer when a store loses data or a person discards a transaction. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { drain, type DrainParts } from '../../functions/process/drain.ts';
import { resendOld } from '../../functions/sweep/resend.ts';
import { accept, type AcceptRequest } from '../../lib/buffer/accept.ts';
import { claim } from '../../lib/buffer/claim.ts';
import { revive } from '../../lib/buffer/clean.ts';
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { mark } from '../../lib/buffer/mark.ts';
import { readOverlay } from '../../lib/buffer/overlay.ts';
import { writeReference } from '../../lib/buffer/reference.ts';
import { createLog } from '../../lib/observability/log.ts';
import { draftFinish, draftStart, type Draft } from '../../lib/observation/record-executed-obs-unit.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import type { SendOutcome } from '../../lib/queue/queue.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let redis: TestRedis;
let site: Site;
let main: TestMain;
const keys = keysOf('ops');

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  site = { redis: redis.client, keys };
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));
beforeEach(() => redis.client.flushall());

const now = Date.now() - 3_600_000;
let count = 0;
const heading = (at: number) => ({
  id: derivedUuid('test', String((count += 1))),
  stamp: at * 1000,
  principal: '7',
  operation: 'test',
});
const newStart = (at = now) => {
  const unit = derivedUuid('unit', String((count += 1)));
  return draftStart({ obs_unit_id: 7 }, unit, heading(at), instantOfMilliseconds(at));
};
const newFinish = (unit: string, status: 'completed' | 'aborted', at = now + 5) =>
  draftFinish({ status }, unit, heading(at), instantOfMilliseconds(at));
const take = (draft: Draft, more: Partial<AcceptRequest> = {}) =>
  accept(site, {
    claimant: { kind: 'none', principalId: '7' },
    permission: '',
    ...draft,
    nowMilliseconds: now,
    requestsPerSecond: 1000,
    budgetBytes: 1e9,
    ...more,
  });
const bodyOf = async ({ id, aggregate }: Transaction) => {
  const { entries } = await readOverlay(site, [aggregate]);
  return entries.find(({ transaction }) => transaction.id === id);
};
const stateOf = ({ id }: Transaction) => redis.client.hget(keys.transaction(id), 'state');
const lines: string[] = [];
const log = createLog('warn', {}, (line) => lines.push(line));
const parts = (): DrainParts => ({
  ...{ redis: redis.client, keys, main: main.pool, startWaitSeconds: 900, now: Date.now, log },
});
const drained = (...copies: Transaction[]) =>
  drain(parts(), copies, { deadline: Date.now() + 60_000, always: false });
const applied = (...batch: Transaction[]) => applyTransactions(main.pool, batch, 900);

describe('after Redis has lost an acknowledged transaction and main has committed its copy,', () => {
  it('the body is restored before the copy is deleted, so that readers see it and a lost commit is repeated', async () => {
    const { transaction } = newStart();
    expect((await drained(transaction)).copies).toEqual(['recorded']);
    expect(await bodyOf(transaction)).toMatchObject({ state: 'committed' });
    expect(await revive(site, [transaction], now)).toEqual({
      revived: 1,
      lost: [],
    });
    expect(await redis.client.zrange(keys.pending, 0, -1)).toEqual([writeReference(transaction)]);
  });

  it('the copy restores the body after a processor died between mark and restore', async () => {
    const { transaction } = newStart();
    const { rows, lsn } = await applied(transaction);
    expect(await mark(site, rows, lsn, now)).toEqual({
      marked: 1,
      incomplete: [transaction.id],
    });
    expect(await bodyOf(transaction)).toBeUndefined();
    expect((await drained(transaction)).copies).toEqual(['recorded']);
    expect(await bodyOf(transaction)).toMatchObject({ state: 'committed' });
  });

  it('a transaction reads as failed with a reason if main loses the commit too and no copy is left', async () => {
    const { transaction } = newStart();
    const { rows, lsn } = await applied(transaction);
    await mark(site, rows, lsn, now);
    expect(await revive(site, [transaction], now)).toEqual({
      revived: 0,
      lost: [transaction.id],
    });
    expect(await stateOf(transaction)).toBe('failed');
    expect(await redis.client.zcard(keys.setAside)).toBe(1);
    expect(await redis.client.zcard(keys.committed)).toBe(0);
    // a copy that arrives later makes it pending again
    await restoreEntry(site, transaction, now);
    expect(await stateOf(transaction)).toBe('buffered');
    expect(await redis.client.zcard(keys.setAside)).toBe(0);
  });

  it('a late answer does not revert the state that a processor has recorded', async () => {
    const start = newStart();
    await drained(start.transaction);
    expect(await take(start)).toMatchObject({
      replayed: true,
      status: 201,
      states: ['committed', 'committed'],
    });
    expect(await stateOf(start.transaction)).toBe('committed');
    expect(await redis.client.zcard(keys.pending)).toBe(0);
  });
});

describe.each(['discarded', 'refused'] as const)('a %s transaction', (outcome) => {
  it('admits a corrected request, while the same request stays refused', async () => {
    const start = newStart();
    await take(start);
    const wrong = newFinish(start.transaction.aggregate, 'aborted');
    expect(await take(wrong, { keyDigest: 'key' })).toMatchObject({ accepted: true });
    const right = newFinish(start.transaction.aggregate, 'completed', now + 9);
    expect(await take(right, { keyDigest: 'key' })).toMatchObject({ refused: 'key_reused' });
    expect(await take(right, { keyDigest: 'other' })).toMatchObject({ refused: 'finished' });

    const { rows, lsn } = await applied(start.transaction);
    const [row] = rows;
    if (!row) throw new Error('no row');
    const { id, stamp } = wrong.transaction;
    const decided = { ...row, id, stamp, outcome, reason: 'wrong' };
    await mark(site, [row, decided], lsn, now);

    expect(await take(wrong, { keyDigest: 'key' })).toEqual({
      refused: `${outcome}_before`,
      detail: 'wrong',
    });
    expect(await take(right, { keyDigest: 'key' })).toMatchObject({ accepted: true, status: 200 });
    expect(await take(right, { keyDigest: 'key' })).toMatchObject({ replayed: true });
    expect((await drained(right.transaction)).copies).toEqual(['recorded']);
    const { rows: at } = await main.pool.query('select status from executed_obs_unit where id = $1', [
      start.transaction.aggregate,
    ]);
    expect(at).toEqual([{ status: 'completed' }]);
  });

  it('releases its id if it is a start', async () => {
    const start = newStart();
    await take(start);
    const again = draftStart(
      { obs_unit_id: 8 },
      start.transaction.aggregate,
      heading(now),
      instantOfMilliseconds(now),
    );
    expect(await take(again)).toMatchObject({ refused: 'taken' });
    const { rows, lsn } = await applied(newStart().transaction);
    const { id, stamp, aggregate } = start.transaction;
    await mark(
      site,
      rows.map((row) => ({ ...row, id, stamp, aggregate, outcome })),
      lsn,
      now,
    );
    expect(await take(again)).toMatchObject({ accepted: true, status: 201 });
  });
});

it('a discard takes effect with a transaction that main has not seen, and a corrected finish follows', async () => {
  const start = newStart();
  await take(start);
  await drained(start.transaction);
  const { aggregate } = start.transaction;
  const wrong = newFinish(aggregate, 'aborted');
  await take(wrong, { keyDigest: 'key' });
  const { id, stamp, principal } = wrong.transaction;
  const builder = new TransactionBuilder({ ...heading(now + 7), aggregate }, () => id);
  builder.discard(id, 'it continued', { aggregate, stamp, principal });
  await take({ transaction: builder.build(), patch: '{}', status: 202 });
  expect(await redis.client.hget(keys.transaction(id), 'discard')).not.toBeNull();
  await drained(wrong.transaction);
  expect(await stateOf(wrong.transaction)).toBe('discarded');
  const right = newFinish(aggregate, 'completed', now + 9);
  expect(await take(right, { keyDigest: 'key' })).toMatchObject({ accepted: true });
  await drained(right.transaction);
  const { rows } = await main.pool.query('select status from executed_obs_unit where id = $1', [aggregate]);
  expect(rows).toEqual([{ status: 'completed' }]);
});

it('accept answers 202 to a finish of an unknown unit, and to another request for the same', async () => {
  const unit = derivedUuid('unit', String((count += 1)));
  expect(await take(newFinish(unit, 'completed'))).toMatchObject({ accepted: true, status: 202 });
  expect(await take(newFinish(unit, 'completed'))).toMatchObject({ repeated: true, status: 202 });
});

it('accept recognises a transaction under the id that the first release gave it', async () => {
  const start = newStart();
  await take(start, { keyDigest: 'key' });
  const id = derivedUuid('now', start.transaction.id);
  const renamed = { ...start, transaction: { ...start.transaction, id, alias: start.transaction.id } };
  expect(await take(renamed, { keyDigest: 'key' })).toMatchObject({ replayed: true });
});

it('accept also writes the fields that the first release reads', async () => {
  const start = newStart();
  await take(start);
  const finish = newFinish(start.transaction.aggregate, 'completed');
  await take(finish);
  const record = await redis.client.hmget<Record<string, string>>(
    keys.record(start.transaction.aggregate),
    'end_time',
    'end_at',
    'start_ms',
  );
  const ended = new Date(now + 5).toISOString();
  expect(Object.values(record ?? {})).toEqual([ended, ended.replace('Z', '000Z'), String(now)]);
});

describe('the sweeper', () => {
  const sweep = async (pageSize: number, refusedId = '') => {
    const sent: string[] = [];
    const transactions = {
      send: async () => undefined,
      sendEach: async (bodies: readonly string[]): Promise<SendOutcome[]> => {
        sent.push(...bodies);
        return bodies.map((body) => (refusedId !== '' && body.includes(refusedId) ? 'refused' : 'taken'));
      },
    };
    const resent = await resendOld({ redis: redis.client, keys, transactions, log, pageSize }, Date.now());
    return { resent, sent };
  };

  it('resends each old transaction once, even with equal stamps and while main is unreachable', async () => {
    const starts = Array.from({ length: 11 }, (_, n) => newStart(n < 9 ? now : now + n));
    for (const start of starts) await take(start);
    await redis.client.set(keys.mainDown, '1');
    const { sent } = await sweep(2);
    for (const { transaction } of starts)
      expect(sent.filter((body) => body.includes(transaction.id))).toHaveLength(1);
    expect((await sweep(2)).sent).toEqual([]);
  });

  it('continues after a copy that SQS refuses and after one that it cannot read', async () => {
    const starts = [newStart(now), newStart(now + 1), newStart(now + 2)];
    for (const start of starts) await take(start);
    const [first, second] = starts;
    if (!first || !second) throw new Error('unreachable');
    const { id, aggregate } = second.transaction;
    await redis.client.hset(keys.overlay(aggregate), { [`b:${id}`]: '{"version":2}' });
    lines.length = 0;
    const { resent, sent } = await sweep(1, first.transaction.id);
    expect(resent).toEqual({ pending: 3, resent: 2, refused: 1 });
    expect(sent).toContain('{"kind":"transaction","transaction":{"version":2}}');
    expect(lines.join()).toContain('CopyRefused');
  });

  it('counts transactions with an expired lease as pending', async () => {
    const { transaction, ...rest } = newStart();
    await take({ transaction, ...rest });
    const leased = {
      copies: [transaction],
      limit: 0,
      nowMilliseconds: now,
      leaseMilliseconds: 1,
      always: false,
    };
    await claim(site, leased);
    expect(await redis.client.zcard(keys.pending)).toBe(0);
    expect((await sweep(10)).resent).toMatchObject({ pending: 1, resent: 1 });
  });
});

it('claim takes no other transactions when all its copies are already recorded', async () => {
  const [done, other] = [newStart(), newStart()];
  await take(done);
  await drained(done.transaction);
  await take(other);
  const asked = { copies: [done.transaction], limit: 10, nowMilliseconds: now, leaseMilliseconds: 1000 };
  expect(await claim(site, { ...asked, always: false })).toMatchObject({
    copies: ['recorded'],
    oldest: [],
    backlog: 1,
  });
  expect((await claim(site, { ...asked, always: true })).oldest).toHaveLength(1);
});
