/** Transactions of several aggregates, and transactions that wait for others, in Redis and at main. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accept } from '../../lib/buffer/accept.ts';
import { aggregatesOfRecords } from '../../lib/buffer/aggregate-keys.ts';
import { clean } from '../../lib/buffer/clean.ts';
import { mark } from '../../lib/buffer/mark.ts';
import { readOverlay } from '../../lib/buffer/overlay.ts';
import { quarantine } from '../../lib/buffer/quarantine.ts';
import { readReference, writeReference } from '../../lib/buffer/reference.ts';
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { streams } from '../../lib/change-feed/streams.ts';
import { readFeed } from '../../lib/channels/read.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import type { Site } from '../../lib/redis/site.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { readExecutedObsUnit } from '../../lib/smart-query/executed-obs-units.ts';
import { mainAsReplica } from '../support/main-as-replica.ts';
import { builder, nextStamp, start } from '../support/made-transactions.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

let main: TestMain;
let redis: TestRedis;
let site: Site;
const keys = keysOf('ops');

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  site = { redis: redis.client, keys };
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));
beforeEach(() => redis.client.flushall());

const newFile = (file: string, stamp?: number) => {
  const made = builder(file, stamp);
  made.create('raw_data_file', { name: 'scan.g3', size_bytes: 1 }, file);
  return made.build();
};
/** Creates a package and puts a file into it, which is an aggregate of its own. */
const newPackage = (
  pack: string,
  file: string,
  values: Record<string, string | null> = {},
  stamp?: number,
): Transaction => {
  const made = builder(pack, stamp);
  made.create('raw_data_package', { name: 'night', state: 'waiting', status: 'pending', ...values }, pack);
  made.update('raw_data_file', file, { raw_data_package_id: pack, size_bytes: 5 });
  return { ...made.build(), aggregates: [pack, file] };
};
const resize = (file: string, size: number, stamp?: number) =>
  builder(file, stamp).update('raw_data_file', file, { size_bytes: size }).build();
const apply = async (...batch: Transaction[]) => {
  const { rows } = await applyTransactions(main.pool, batch, 900);
  return Object.fromEntries(rows.map((row) => [row.id, row]));
};
const outcomesOf = async (...batch: Transaction[]) => {
  const rows = await apply(...batch);
  return batch.map(({ id }) => rows[id]?.parkedFor ?? rows[id]?.outcome);
};
const sizeOf = async (file: string) => {
  const { rows } = await main.pool.query<{ size: number; pack: string | null }>(
    'select size_bytes::integer as size, raw_data_package_id as pack from raw_data_file where id = $1',
    [file],
  );
  return rows[0];
};
const take = (transaction: Transaction) =>
  accept(site, {
    claimant: { kind: 'none', principalId: '1' },
    permission: '',
    ...{
      transaction,
      patch: '{}',
      status: 201,
      nowMilliseconds: 1,
      requestsPerSecond: 1e9,
      budgetBytes: 1e9,
    },
  });
const idsIn = async (aggregate: string) =>
  (await readOverlay(site, [aggregate])).entries.map(({ transaction }) => transaction.id).sort();

describe('main', () => {
  it('applies a transaction of several aggregates in the order of each', async () => {
    const [pack, file] = [randomUUID(), randomUUID()];
    const [early, made, late] = [nextStamp(), nextStamp(), nextStamp()];
    const batch = [resize(file, 9, late), newPackage(pack, file, {}, made), newFile(file, early)];
    expect(await outcomesOf(...batch)).toEqual(['applied', 'applied', 'applied']);
    expect(await sizeOf(file)).toEqual({ size: 9, pack });
  });

  it('keeps later transactions of each aggregate behind a waiting one, and applies them all once it can', async () => {
    const [pack, file, unit] = [randomUUID(), randomUUID(), randomUUID()];
    await apply(newFile(file));
    const waiting = newPackage(pack, file, { executed_obs_unit_id: unit });
    expect(await outcomesOf(waiting)).toEqual(['start']);
    const behind = resize(file, 9);
    expect(await outcomesOf(behind)).toEqual(['behind']);
    expect(await sizeOf(file)).toEqual({ size: 1, pack: null });
    await apply(start(unit));
    // no transaction of these aggregates is new, but the unit that they wait for exists now
    const rows = await apply();
    expect([waiting, behind].map(({ id }) => rows[id]?.outcome)).toEqual(['applied', 'applied']);
    expect(await sizeOf(file)).toEqual({ size: 9, pack });
  });

  it('applies a waiting transaction when another of its aggregates changes', async () => {
    const [pack, file] = [randomUUID(), randomUUID()];
    const waiting = newPackage(pack, file);
    expect(await outcomesOf(waiting)).toEqual(['start']);
    const rows = await apply(newFile(file, waiting.stamp + 1));
    expect(rows[waiting.id]).toMatchObject({ outcome: 'applied', aggregates: [pack, file] });
    expect(await sizeOf(file)).toEqual({ size: 5, pack });
  });

  it('applies waiting transactions across a chain of aggregates', async () => {
    const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
    const waiting = newPackage(first, second);
    const behind = { ...resize(second, 7), aggregates: [second, third] };
    await apply(newFile(third));
    expect(await outcomesOf(waiting, behind)).toEqual(['start', 'behind']);
    // only the third aggregate leads to it, and from it to those before
    const last = resize(third, 8);
    expect(await outcomesOf(last)).toEqual(['behind']);
    const rows = await apply(newFile(second, waiting.stamp + 5));
    expect([waiting, behind, last].map(({ id }) => rows[id]?.outcome)).toEqual([
      'applied',
      'applied',
      'applied',
    ]);
  });

  it('applies waiting transactions from the first aggregate of a chain to its last', async () => {
    const [unit, pack, ...files] = Array.from({ length: 5 }, () => randomUUID());
    const [first = '', second = '', third = ''] = files;
    await apply(...files.map((file) => newFile(file)));
    const chain = [
      newPackage(String(pack), first, { executed_obs_unit_id: String(unit) }),
      { ...resize(first, 7), aggregates: [first, second] },
      { ...resize(second, 8), aggregates: [second, third] },
      resize(third, 9),
    ];
    expect(await outcomesOf(...chain)).toEqual(['start', 'behind', 'behind', 'behind']);
    await apply(start(String(unit)));
    const rows = await apply();
    expect(chain.map(({ id }) => rows[id]?.outcome)).toEqual(chain.map(() => 'applied'));
  });

  it('keeps later changes of one row behind a change that waits for another row', async () => {
    const [here, missing] = [randomUUID(), randomUUID()];
    await apply(newFile(here));
    const both = builder(here).update('raw_data_file', here, { size_bytes: 2 });
    both.update('raw_data_file', missing, { size_bytes: 2 });
    expect(await outcomesOf({ ...both.build(), aggregates: [here, missing] })).toEqual(['start']);
    expect(await outcomesOf(resize(here, 3))).toEqual(['behind']);
    await apply(newFile(missing));
    expect([await sizeOf(here), await sizeOf(missing)]).toMatchObject([{ size: 3 }, { size: 2 }]);
  });

  it('applies a bulk creation before a transaction that needs one of its rows', async () => {
    const [file, other] = [randomUUID(), randomUUID()];
    const made = builder(file);
    made.bulkCreate('raw_data_file', [{ name: 'a' }]);
    const bulk = made.build();
    const [step] = bulk.steps;
    if (step?.kind !== 'bulk_create') throw new Error('unreachable');
    const rows = [
      { id: file, values: { name: 'a' } },
      { id: other, values: { name: 'b' } },
    ];
    const creation = { ...bulk, steps: [{ ...step, rows }], aggregates: [file, other] };
    const early = resize(other, 9, creation.stamp - 1);
    expect(await outcomesOf(early, creation)).toEqual(['applied', 'applied']);
  });

  it('refuses a transaction if a row of any of its aggregates was deleted', async () => {
    const [pack, file] = [randomUUID(), randomUUID()];
    await apply(newFile(file), newPackage(pack, file));
    await main.pool.query('delete from raw_data_file where id = $1', [file]);
    expect(await outcomesOf(resize(file, 9))).toEqual(['refused']);
    const change = builder(file)
      .update('raw_data_package', pack, { name: 'other' })
      .update('raw_data_file', file, {})
      .build();
    expect(await outcomesOf({ ...change, aggregates: [file, pack] })).toEqual(['refused']);
  });

  it('refuses a change of a deleted row, however many aggregates the creation had', async () => {
    const [alone, pack, inPackage] = [randomUUID(), randomUUID(), randomUUID()];
    const both = builder(pack);
    both.create('raw_data_package', { name: 'night', state: 'waiting', status: 'pending' }, pack);
    both.create('raw_data_file', { name: 'scan.g3', size_bytes: 1 }, inPackage);
    await apply(newFile(alone), { ...both.build(), aggregates: [pack, inPackage] });
    await main.pool.query('delete from raw_data_file where id = any ($1)', [[alone, inPackage]]);
    expect(await outcomesOf(resize(alone, 9), resize(inPackage, 9))).toEqual(['refused', 'refused']);
  });

  it('refuses a whole creation if one of its aggregates refuses it', async () => {
    const [pack, file] = [randomUUID(), randomUUID()];
    await apply(newFile(file));
    await apply(builder(file).delete('raw_data_file', file).build());
    expect(await outcomesOf(newPackage(pack, file))).toEqual(['refused']);
    const { rowCount } = await main.pool.query('select from raw_data_package where id = $1', [pack]);
    expect(rowCount).toBe(0);
  });

  it('lets a transaction wait for the row that it names in waits_for, and later ones behind it', async () => {
    const [file, unit] = [randomUUID(), randomUUID()];
    const needed = `executed_obs_unit:${unit}`;
    await apply(newFile(file));
    const waiting = { ...resize(file, 2), waits_for: needed };
    const later = resize(file, 3);
    const rows = await apply(waiting, later);
    expect(rows[waiting.id]).toMatchObject({ parkedFor: 'start', waitsFor: needed });
    expect(rows[later.id]).toMatchObject({ parkedFor: 'behind' });
    // an unrelated change of the aggregate does not end the wait
    expect(await outcomesOf({ ...resize(file, 4), waits_for: needed })).toEqual(['behind']);
    await apply(start(unit));
    await apply();
    expect(await sizeOf(file)).toMatchObject({ size: 4 });
  });
});

describe('the site', () => {
  it('shows a transaction in the overlay of each of its aggregates, with earlier ones', async () => {
    const [pack, file] = [randomUUID(), randomUUID()];
    const [first, second] = [newFile(file), newPackage(pack, file)];
    for (const each of [first, second]) expect(await take(each)).toMatchObject({ accepted: true });
    const both = [first.id, second.id].sort();
    expect(await idsIn(file)).toEqual(both);
    expect(await idsIn(pack)).toEqual(both);
  });

  it('gives a transaction a stamp after those of all its aggregates', async () => {
    const [pack, file] = [randomUUID(), randomUUID()];
    const first = newFile(file);
    await take(first);
    const verdict = await take({ ...newPackage(pack, file), stamp: first.stamp - 500 });
    expect(verdict).toMatchObject({ accepted: true, stamp: String(first.stamp + 1) });
    const next = { ...resize(file, 3), stamp: first.stamp - 400 };
    expect(await take(next)).toMatchObject({ stamp: String(first.stamp + 2) });
  });

  it('finds the aggregate of a row that has another id, until every replica has the row', async () => {
    const unit = randomUUID();
    const made = builder(unit);
    const files = made.bulkCreate('raw_data_file', [
      { executed_obs_unit_id: unit, name: 'a' },
      { executed_obs_unit_id: unit, name: 'b' },
    ]);
    const transaction = made.build();
    await take(start(unit));
    await take(transaction);
    expect(await aggregatesOfRecords(site, files)).toEqual([...files, unit]);
    const { rows, lsn } = await applyTransactions(main.pool, [start(unit), transaction], 900);
    await mark(site, rows, lsn, 1);
    const row = rows.find(({ id }) => id === transaction.id);
    await clean(
      site,
      [{ reference: readReference(writeReference(transaction)), revision: row?.revision ?? 0 }],
      1,
    );
    expect(await aggregatesOfRecords(site, files)).toEqual(files);
  });

  it('restores and cleans every aggregate, and names its table in the feed', async () => {
    const [pack, file] = [randomUUID(), randomUUID()];
    const transaction = newPackage(pack, file);
    await restoreEntry(site, transaction, 1);
    expect(await idsIn(file)).toEqual([transaction.id]);
    // the lists of executed units do not read them
    expect(await redis.client.scard(keys.overlaidUnknown)).toBe(0);
    const reference = readReference(writeReference(transaction));
    expect(reference).toMatchObject({ aggregate: pack, aggregates: [pack, file] });
    const { rows, lsn } = await applyTransactions(main.pool, [newFile(file), transaction], 900);
    await mark(
      site,
      rows.filter(({ id }) => id === transaction.id),
      lsn,
      1,
    );
    expect(await clean(site, [{ reference, revision: 9 }], 1)).toBe(1);
    expect(await idsIn(file)).toEqual([]);
    expect(await redis.client.exists(keys.overlay(file), keys.overlay(pack))).toBe(0);
    const { tails } = await readFeed(site, {}, 'epoch');
    const entries = tails.observations.entries.map(({ change, record, table, transaction: id }) => [
      change,
      record,
      table,
      id,
    ]);
    expect(entries).toEqual(
      ['buffered', 'committed', 'replicated'].flatMap((change) => [
        [change, pack, 'raw_data_package', transaction.id],
        [change, file, 'raw_data_file', undefined],
      ]),
    );
    expect(streams.observations.stream).toBe('executed_obs_units');
  });

  it('removes an unreadable body from all of its aggregates', async () => {
    const [pack, file] = [randomUUID(), randomUUID()];
    const transaction = newPackage(pack, file);
    await take(transaction);
    const reference = readReference(writeReference(transaction));
    const text = (await redis.client.hget<string>(keys.overlay(pack), `b:${transaction.id}`)) ?? '';
    await quarantine(site, { reference, text }, 'it is damaged');
    expect(await redis.client.exists(keys.overlay(file), keys.overlay(pack))).toBe(0);
  });

  it('records what a transaction waits for until the wait ends', async () => {
    const [file, unit] = [randomUUID(), randomUUID()];
    const transaction = { ...newFile(file), waits_for: `executed_obs_unit:${unit}` };
    const recorded = () => redis.client.hget(keys.transaction(transaction.id), 'waits_for');
    await take(transaction);
    expect(await recorded()).toBe(transaction.waits_for);
    const waiting = await applyTransactions(main.pool, [transaction], 900);
    await mark(site, waiting.rows, waiting.lsn, 1);
    expect(await recorded()).toBe(transaction.waits_for);
    await apply(start(unit));
    const done = await applyTransactions(main.pool, [], 900);
    await mark(site, done.rows, done.lsn, 1);
    expect(await recorded()).toBeNull();
  });

  it('is read with each of its aggregates once main alone has it', async () => {
    const [file, unit] = [randomUUID(), randomUUID()];
    const change = builder(file)
      .update('raw_data_file', file, { size_bytes: 1 })
      .update('executed_obs_unit', unit, { metadata: { of: 'the file' } })
      .build();
    expect(await outcomesOf(start(unit), { ...change, aggregates: [file, unit] })).toEqual([
      'applied',
      'start',
    ]);
    const record = await readExecutedObsUnit({ ...site, replicas: [mainAsReplica(main.pool)] }, unit);
    expect(record).toMatchObject({
      metadata: { a: 1, of: 'the file' },
      sync: { state: 'buffered', verified: false },
    });
  });
});
