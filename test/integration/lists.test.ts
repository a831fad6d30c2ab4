/** Lists over rows of other programs and over applied, parked and buffered transactions. */
import { createHash, randomUUID } from 'node:crypto';
import pg, { type QueryConfig } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accept } from '../../lib/buffer/accept.ts';
import type { UnitFilter } from '../../lib/observation/filter.ts';
import { draftFinish, draftStart, type Draft } from '../../lib/observation/record-executed-obs-unit.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import type { Pool } from '../../lib/postgres/connect.ts';
import { countFailed } from '../../lib/postgres/inbox.ts';
import { idOfBody, storeUnreadable } from '../../lib/postgres/unreadable.ts';
import { keysOf, type Keys } from '../../lib/redis/keys.ts';
import { readExecutedObsUnit } from '../../lib/smart-query/executed-obs-units.ts';
import {
  listExecutedObsUnits,
  type PageKey,
  type UnitsPage,
} from '../../lib/smart-query/list-executed-obs-units.ts';
import { findTransaction } from '../../lib/smart-query/find-transaction.ts';
import { listTransactions, type TransactionsPage } from '../../lib/smart-query/set-aside.ts';
import { readTransactionStatus } from '../../lib/smart-query/transactions.ts';
import { enterWait } from '../../lib/smart-query/waiting.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { instantOfMicroseconds, parseInstant, type ParsedInstant } from '../../lib/values/instant.ts';
import { mainAsReplica, type MainAsReplica } from '../support/main-as-replica.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let main: TestMain;
let redis: TestRedis;
let site: Site;
let replica: MainAsReplica;
let keys: Keys;
let clock = Date.UTC(2027, 0, 1) * 1000;

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  replica = mainAsReplica(main.pool);
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));
beforeEach(async () => {
  keys = keysOf(randomUUID());
  site = { redis: redis.client, keys };
  await main.pool.query('truncate executed_obs_unit, inbox, tombstone cascade');
});

const parts = () => ({ redis: redis.client, keys, replicas: [replica] });
const list = (filter: UnitFilter, limit = 100, after?: PageKey) =>
  listExecutedObsUnits(parts(), { filter, limit, ...(after && { after }) });

/** The ids of all pages. */
async function ids(filter: UnitFilter, limit = 100): Promise<string[]> {
  const all: string[] = [];
  let page: UnitsPage | undefined;
  do {
    page = await list(filter, limit, page?.next);
    all.push(...page.records.map(({ id }) => id));
  } while (page.next);
  expect(new Set(all).size, 'a record appears twice').toBe(all.length);
  return all;
}

const instant = (text: string): ParsedInstant => {
  const parsed = parseInstant(text);
  if (!parsed) throw new Error(`not an instant: ${text}`);
  return parsed;
};
const heading = (operation: string) => {
  clock += 1000;
  return { id: randomUUID(), stamp: clock, principal: '1', operation };
};
const started = (obs_unit_id: number, start_time: string, id: string = randomUUID()) =>
  draftStart(
    { obs_unit_id, start_time: instant(start_time) },
    id,
    heading('start'),
    instant(start_time).instant,
  );
const finished = (id: string) => {
  const end_time = instant('2029-01-01T00:00:00Z');
  return draftFinish({ status: 'completed', end_time }, id, heading('finish'), end_time.instant);
};
const buffer = async (draft: Draft): Promise<string> => {
  const verdict = await accept(site, {
    claimant: { kind: 'none', principalId: '1' },
    permission: '',
    ...draft,
    nowMilliseconds: Math.floor(clock / 1000),
    requestsPerSecond: 1e9,
    budgetBytes: 1e12,
  });
  expect(verdict).toMatchObject({ accepted: true });
  return draft.transaction.aggregate;
};
const apply = async (...drafts: readonly Draft[]): Promise<string[]> => {
  await applyTransactions(
    main.pool,
    drafts.map(({ transaction }) => transaction),
    900,
  );
  return drafts.map(({ transaction }) => transaction.aggregate);
};
const insert = async (start: string, id: string = randomUUID(), unit = 1) => {
  await main.pool.query(
    "insert into executed_obs_unit (id, obs_unit_id, status, start_time) values ($1, $2, 'running', $3)",
    [id, unit, start],
  );
  return id;
};

describe('a page', () => {
  it('collects rows as json, since jsonb with many keys takes a hundred times as long', async () => {
    const types: Record<string, number> = {};
    const query = async (config: QueryConfig) => {
      const answer = await replica.pool.query(config);
      for (const { name, dataTypeID } of answer.fields) types[name] = dataTypeID;
      return answer;
    };
    const pool = { query, connect: async () => ({ query, release: () => undefined }) } as unknown as Pool;
    const include = ['packages', 'files'] as const;
    await listExecutedObsUnits(
      { ...parts(), replicas: [{ name: 'main', pool }] },
      { filter: {}, limit: 100, include },
    );
    const json = pg.types.builtins.JSON;
    expect(types).toMatchObject({
      matching: json,
      executed_obs_unit: json,
      raw_data_package: json,
      raw_data_file: json,
      inbox: json,
    });
  });

  it('ends before it exceeds the size of an answer, and contains at least one record', async () => {
    await main.pool.query(
      `insert into executed_obs_unit (id, obs_unit_id, status, start_time, metadata)
        select gen_random_uuid(), 1, 'running', now() - n * interval '1 s',
          jsonb_build_object('text', repeat('x', case n when 3 then 7000000 else 1000000 end))
        from generate_series(1, 8) n`,
    );
    const sizes: number[] = [];
    let page: UnitsPage | undefined;
    do {
      page = await list({}, 100, page?.next);
      sizes.push(page.records.length);
    } while (page.next);
    expect(sizes).toEqual([2, 1, 5]);
  });
});

describe('lists', () => {
  it('page through rows with any start time and any id', async () => {
    const starts = [
      'infinity',
      '294276-12-31 23:59:59.999999+00',
      '12026-01-01 00:00:00+00',
      '9999-12-31 23:59:59.999999+00',
      '2026-10-01 00:00:00.000001+00',
      '2026-10-01 00:00:00+00',
      '0001-01-01 00:00:00+00',
      '0044-03-15 00:00:00+00 BC',
      '-infinity',
    ];
    const expected: string[] = [];
    for (const [n, start] of starts.entries()) {
      const id = createHash('md5').update(`${n}`).digest('hex');
      expected.push(await insert(start, id.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')));
    }
    for (const limit of [1, 2, 5, 100]) expect(await ids({}, limit)).toEqual(expected);
    expect(await ids({ status: 'running', obsUnitId: 1 }, 2)).toEqual(expected);
    expect(await ids({ from: '2026-10-01T00:00:00.000001Z', to: '10000-01-01T12:00:00.000000Z' })).toEqual(
      expected.slice(3, 5),
    );
    for (const id of expected) expect(await readExecutedObsUnit(parts(), id)).toMatchObject({ id });
    expect((await list({}, 3)).records.map(({ start_time }) => start_time)).toEqual([
      'infinity',
      '294276-12-31T23:59:59.999999Z',
      '12026-01-01T00:00:00.000000Z',
    ]);
  });

  it('show and filter set-aside records by the status that a read by id shows', async () => {
    const start = started(999_999, '2026-10-01T00:00:00Z');
    const id = start.transaction.aggregate;
    await apply(start, finished(id));
    const [replicated = ''] = await apply(started(2, '2026-10-01T00:00:00Z'));
    const poison = finished(replicated);
    await main.pool.query(
      `insert into inbox (transaction_id, stamp, aggregate_id, operation, principal, record_ids, outcome, parked_for, reason,
         steps, obs_unit_id, start_time)
       values ($1, $2, $3, 'finish', '1', array[$3::uuid], 'parked', 'failed', 'poison', $4, 2, '2026-10-01T00:00:00Z')`,
      [poison.transaction.id, poison.transaction.stamp, replicated, JSON.stringify(poison.transaction.steps)],
    );
    for (const unit of [id, replicated]) {
      expect(await readExecutedObsUnit(parts(), unit)).toMatchObject({ status: 'completed' });
    }
    expect(new Set(await ids({ status: 'completed' }, 1))).toEqual(new Set([id, replicated]));
    expect(await ids({ status: 'running' })).toEqual([]);
    expect((await list({ obsUnitId: 999_999 })).records).toMatchObject([{ id, status: 'completed' }]);
  });

  it('continue behind any number of rows that a parked transaction hides', async () => {
    const [oldest = ''] = await apply(started(2, '2026-01-01T00:00:00Z'));
    await apply(...Array.from({ length: 20 }, (_, n) => started(2, `2026-02-01T00:00:${10 + n}Z`)));
    await main.pool.query(
      `insert into inbox (transaction_id, stamp, aggregate_id, operation, principal, record_ids, outcome, parked_for, reason,
         steps, obs_unit_id, start_time)
       select gen_random_uuid(), 1e15, id, 'finish', '1', array[id], 'parked', 'failed', 'poison', jsonb_build_array(
         jsonb_build_object('kind', 'update', 'table', 'executed_obs_unit', 'id', id, 'values', '{"status": "completed"}'::jsonb)),
         obs_unit_id, start_time
       from executed_obs_unit where id <> $1`,
      [oldest],
    );
    for (const limit of [1, 2, 30]) {
      expect(await ids({ status: 'running' }, limit)).toEqual([oldest]);
      expect(await ids({ status: 'completed' }, limit)).toHaveLength(20);
    }
  });

  it('show a buffered finish under the planned unit to which others have moved the row', async () => {
    const [id = ''] = await apply(started(3, '2026-10-01T00:00:00Z'));
    await buffer(started(3, '2026-10-01T00:00:00Z', id)).catch(() => undefined);
    await main.pool.query(
      "update executed_obs_unit set obs_unit_id = 9, start_time = '2026-09-01T00:00:00Z' where id = $1",
      [id],
    );
    await buffer(finished(id));
    await buffer(started(1, '2026-11-01T00:00:00Z'));
    expect((await list({ obsUnitId: 9 })).records).toMatchObject([{ id, status: 'completed' }]);
    expect(await ids({ obsUnitId: 3 })).toEqual([]);
    for (const filter of [{ obsUnitId: 9 }, { to: '2026-09-15T00:00:00.000000Z' }]) {
      expect(await ids({ ...filter, status: 'completed' })).toEqual([id]);
      expect(await ids({ ...filter, status: 'running' })).toEqual([]);
    }
  });

  it('show a buffered finish of a row that is unknown to the site', async () => {
    const id = await insert('2026-10-01 00:00:00+00', randomUUID(), 4);
    await buffer(finished(id));
    await buffer(started(1, '2026-11-01T00:00:00Z'));
    expect((await list({ obsUnitId: 4 })).records).toMatchObject([{ id, status: 'completed' }]);
    expect(await ids({ status: 'completed' })).toEqual([id]);
    expect(await ids({ status: 'running', obsUnitId: 4 })).toEqual([]);
  });

  it('compare microseconds of buffered and applied records', async () => {
    const at = (n: number) => `2026-10-01T00:00:00.${String(n).padStart(6, '0')}Z`;
    const times = [200, 400, 600, 999, 1000, 1001];
    const applied = await apply(...times.map((n) => started(5, at(n))));
    const buffered: string[] = [];
    for (const n of times) buffered.push(await buffer(started(5, at(n))));
    const startOf = new Map([...applied, ...buffered].map((id, n) => [id, times[n % times.length] ?? 0]));
    const expected = (from: number, to: number) =>
      [...startOf]
        .filter(([, start]) => start >= from && start < to)
        .sort(([a, x], [b, y]) => y - x || (a < b ? 1 : -1))
        .map(([id]) => id);
    for (const [from, to] of [
      [400, 600],
      [401, 1000],
      [0, 401],
      [999, 1001],
      [0, 2000],
    ] as const) {
      for (const limit of [1, 3, 100]) {
        const filter = { obsUnitId: 5, from: at(from), to: at(to) };
        expect(await ids(filter, limit)).toEqual(expected(from, to));
        expect(await ids({ ...filter, status: 'running' }, limit)).toEqual(expected(from, to));
      }
    }
  });

  it('read a bounded number of parked transactions per page, and page through all', async () => {
    const parked = Array.from({ length: 300 }, (_, n) =>
      started(999_000 + n, instantOfMicroseconds(Date.UTC(2026, 0, 1) * 1000 + n)),
    );
    await apply(...parked, ...parked.map(({ transaction }) => finished(transaction.aggregate)));
    const [first = ''] = await apply(started(6, '2026-12-01T00:00:00Z'));
    replica.answers.length = 0;
    expect((await list({}, 10)).records.map(({ id }) => id)[0]).toBe(first);
    const inbox = replica.answers.flatMap((answer) => answer.inbox as unknown[]);
    expect(inbox.length).toBeLessThanOrEqual(50);
    expect(await ids({}, 7)).toHaveLength(301);
    expect(await ids({ status: 'completed' }, 50)).toHaveLength(300);
  });

  it('filter by program, source and instrument at the replica, and name records they could not check', async () => {
    const applied = await apply(
      ...Array.from({ length: 40 }, (_, n) =>
        started(1 + n, instantOfMicroseconds(Date.UTC(2026, 0, 1) * 1000 + n)),
      ),
    );
    const buffered = await buffer(started(50, '2026-10-01T00:00:00Z'));
    const { rows } = await main.pool.query<{ id: number }>(
      'select id from obs_unit where observing_program_id = 3 and instrument_id = 3',
    );
    const matching = new Set(rows.map(({ id }) => id));
    const expected = applied.filter((_, n) => matching.has(1 + n)).reverse();
    const filter = { program: 'GEco', instrument: 'Mod-Cam' };
    for (const limit of [1, 2, 100]) {
      expect(await ids(filter, limit)).toEqual([...(matching.has(50) ? [buffered] : []), ...expected]);
    }
    expect(await ids({ program: 'none' })).toEqual([]);
    expect((await list(filter)).unseen).toEqual([]);
    await buffer(started(1_000_000, '2026-10-01T00:00:00Z'));
    expect((await list(filter)).unseen).toEqual(['planned-unit']);
    expect((await list({})).unseen).toEqual([]);
  });

  it('filter buffered and parked records by program', async () => {
    const unitOf = async (program: string) => {
      const { rows } = await main.pool.query<{ id: number }>(
        'select min(u.id) as id from obs_unit u join observing_program p on p.id = u.observing_program_id where p.short_name = $1',
        [program],
      );
      return rows[0]?.id ?? NaN;
    };
    const draft = started(await unitOf('EOR'), '2026-10-01T00:00:00Z');
    const id = await buffer(draft);
    await apply(draft);
    await main.pool.query('update executed_obs_unit set obs_unit_id = $1', [await unitOf('CAL')]);
    expect(await list({ program: 'GEco' })).toMatchObject({ records: [], unseen: [] });
    expect(await list({ program: 'CAL' })).toMatchObject({ records: [{ id }], unseen: [] });
    const parked = started(await unitOf('GEco'), '2026-10-02T00:00:00Z');
    await main.pool.query(
      `insert into inbox (transaction_id, stamp, aggregate_id, operation, principal, record_ids, outcome, parked_for, reason,
         steps, obs_unit_id, start_time)
       values (gen_random_uuid(), 1, $1, 'start', '1', array[$1::uuid], 'parked', 'failed', 'poison', $2, $3, '2026-10-02Z')`,
      [parked.transaction.aggregate, JSON.stringify(parked.transaction.steps), await unitOf('GEco')],
    );
    const { records, unseen } = await list({ program: 'GEco' });
    expect(records.map((each) => each.id)).toEqual([parked.transaction.aggregate]);
    expect(unseen).toEqual([]);
  });
});

it('a list skips a buffered record whose start time is invalid', async () => {
  const unit = 88;
  const draft = started(unit, '2026-03-02T00:00:00Z');
  const steps = draft.transaction.steps.map((step) =>
    step.kind === 'create' ? { ...step, values: { ...step.values, start_time: 'not a time' } } : step,
  );
  await buffer({ ...draft, transaction: { ...draft.transaction, steps } });
  const before = await buffer(started(unit, '2026-03-01T00:00:00Z'));
  const after = await buffer(started(unit, '2026-03-03T00:00:00Z'));
  expect(await ids({ obsUnitId: unit }, 1)).toEqual([after, before]);
});

describe('a deleted record', () => {
  it('with a buffered finish is unverified', async () => {
    const [id = ''] = await apply(started(7, '2026-10-01T00:00:00Z'));
    await buffer(finished(id));
    await main.pool.query('delete from executed_obs_unit');
    expect(await readExecutedObsUnit(parts(), id)).toMatchObject({ sync: { verified: false } });
    expect(await ids({})).toEqual([]);
  });
});

describe('lists of transactions', () => {
  const failed = async (limit: number) => {
    const all: { readonly transaction_id: string }[] = [];
    let page: TransactionsPage | undefined;
    do {
      page = await listTransactions(parts(), 'failed', limit, page?.next);
      all.push(...page.transactions);
    } while (page.next);
    return all;
  };

  it('count and show the same failures: parked, refused and unreadable', async () => {
    const [id = ''] = await apply(started(8, '2026-10-01T00:00:00Z'));
    const refused = started(9, '2026-10-01T00:00:00Z', id);
    await apply(refused);
    await main.pool.query('delete from unreadable_message');
    await storeUnreadable(main.pool, [{ body: 'garbage', reason: 'it is not JSON' }]);
    const unreadable = idOfBody('garbage');
    for (const limit of [1, 100]) {
      expect((await failed(limit)).map((each) => each.transaction_id).sort()).toEqual(
        [refused.transaction.id, unreadable].sort(),
      );
    }
    expect(await countFailed(main.pool)).toBe(2);
    const found = await findTransaction(parts(), unreadable);
    expect(found).toMatchObject({
      aggregate: unreadable,
      status: {
        state: 'failed',
        attempts: 1,
        record_ids: [],
        reason: expect.stringContaining('not JSON') as string,
      },
    });
    expect(await readTransactionStatus(parts(), randomUUID())).toBeUndefined();
  });

  it('mark a transaction whose discard is requested', async () => {
    const target = started(8, '2026-10-01T00:00:00Z');
    await buffer(target);
    const { id, aggregate } = target.transaction;
    expect(await readTransactionStatus(parts(), id)).not.toHaveProperty('discard');
    const builder = new TransactionBuilder({ ...heading('discard'), aggregate }, randomUUID);
    builder.discard(id, 'test');
    await buffer({ transaction: builder.build(), patch: '{}', status: 202 });
    expect(await readTransactionStatus(parts(), id)).toMatchObject({
      state: 'buffered',
      discard: 'requested',
    });
  });
});

describe('waiting requests', () => {
  const wait = (id: string, principal: string, now = 0) =>
    enterWait({ redis: redis.client, keys }, { id, principal, milliseconds: 10_000 }, now);
  const tooMany = { problem: { status: 429, code: 'too-many-waits' } };

  it('are limited per principal and in total, and free their places when they end', async () => {
    const leave = await wait('1', 'a');
    await expect(wait('1', 'a')).resolves.toBeTypeOf('function');
    for (const id of ['2', '3', '4']) await wait(id, 'a');
    await expect(wait('5', 'a')).rejects.toMatchObject(tooMany);
    await wait('6', 'b');
    await expect(wait('7', 'b')).rejects.toMatchObject(tooMany);
    await leave();
    await wait('8', 'b');
    await expect(wait('9', 'a')).rejects.toMatchObject(tooMany);
  });

  it('lose their places when their function dies', async () => {
    for (const id of ['1', '2', '3', '4']) await wait(id, 'a');
    await expect(wait('5', 'a', 14_000)).rejects.toMatchObject(tooMany);
    await wait('5', 'a', 16_000);
  });
});
