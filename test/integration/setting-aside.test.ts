/** The transactions that main sets aside; none of them keeps another from its outcome. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyTransactions, setAside, sqlStateOf, type SeenFailures } from '../../lib/postgres/apply.ts';
import { readInboxRow, type InboxRow } from '../../lib/postgres/inbox.ts';
import { releaseSchema } from '../../lib/postgres/release.ts';
import { storableJson } from '../../lib/postgres/storable-json.ts';
import { outcomes, parkingReasons, stateOfInbox } from '../../lib/transaction/lifecycle.ts';
import { tables } from '../../lib/table/tables.ts';
import { recordIdsOf, type Transaction } from '../../lib/transaction/transaction.ts';
import type { JsonObject } from '../../lib/values/json.ts';
import { builder, finish, nextStamp, start } from '../support/made-transactions.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';

let main: TestMain;

beforeAll(async () => {
  main = await startTestMain();
});
afterAll(() => main.stop());

const call = (batch: readonly Transaction[], seen: SeenFailures = {}) =>
  applyTransactions(main.pool, batch, 900, { seen });
const apply = async (...batch: Transaction[]) => (await call(batch)).rows;
const rowOf = (rows: readonly InboxRow[], { id }: Pick<Transaction, 'id'>) =>
  rows.find((each) => each.id === id);
const outcomeOf = (rows: readonly InboxRow[], { id }: Transaction) => {
  const row = rowOf(rows, { id });
  return row && [row.outcome, row.parkedFor].filter(Boolean).join(' ');
};
const inbox = async ({ id }: Transaction) => {
  const { rows } = await main.pool.query<{ row: unknown }>(
    'select to_jsonb(i) as row from inbox i where transaction_id = $1',
    [id],
  );
  return rows[0] && readInboxRow(rows[0].row);
};
const unit = async (id: string) =>
  (await main.pool.query<Record<string, unknown>>('select * from executed_obs_unit where id = $1', [id]))
    .rows[0];
const insertPlannedUnit = (id: number) =>
  main.pool.query(
    `insert into obs_unit (id, observing_program_id, source_id, instrument_id, name) values ($1, 1, 1, 1, 'late')`,
    [id],
  );

describe('setting aside', () => {
  it('takes time in proportion to the keys of the parked transaction', async () => {
    const ratio = await timeOfKeys(async (metadata) => start(randomUUID(), { obsUnitId: 777_123, metadata }));
    expect(ratio).toBeLessThan(24);
  });
});

describe('recording a failure', () => {
  it.each([
    ['a start_time that does not cast', { startTime: 'never' }],
    ['a start_time beyond timestamptz', { startTime: '999999-01-01T00:00:00Z' }],
    ['a planned unit that is not an integer', { obsUnitId: 1.5 }],
    ['a planned unit beyond integer', { obsUnitId: 1e12 }],
  ])('works for any value: %s', async (_name, poison) => {
    const batch = [start(randomUUID()), start(randomUUID(), poison), start(randomUUID())];
    const rows = await apply(...batch);
    expect(batch.map((each) => outcomeOf(rows, each))).toEqual(['applied', 'parked failed', 'applied']);
  });
});

/** The execution time on the server for the maximal number of keys, relative to an eighth of them. */
const timeOfKeys = async (batchOf: (metadata: JsonObject) => Promise<Transaction>): Promise<number> => {
  const plan = async (keys: number) => {
    const transaction = await batchOf(
      Object.fromEntries(Array.from({ length: keys }, (_, n) => [`key ${n}`, n])),
    );
    const batch = storableJson([{ ...transaction, record_ids: recordIdsOf(transaction) }]);
    const client = await main.pool.connect();
    await client.query('begin');
    const { rows } = await client.query<{ 'QUERY PLAN': [{ 'Execution Time': number }] }>(
      `explain (analyze, format json) select ${releaseSchema}.apply_transactions($1::jsonb, 900)`,
      [batch],
    );
    await client.query('rollback');
    client.release();
    return rows[0]?.['QUERY PLAN'][0]['Execution Time'] ?? 0;
  };
  await plan(100);
  const least = async (keys: number) => Math.min(...[await plan(keys), await plan(keys), await plan(keys)]);
  const [few, many] = [await least(1250), await least(10_000)];
  console.log(`1,250 keys ${few.toFixed(0)} ms, 10,000 keys ${many.toFixed(0)} ms`);
  return many / few;
};

describe('an update', () => {
  it('takes time in proportion to its keys', async () => {
    const ratio = await timeOfKeys(async (metadata) => {
      const id = randomUUID();
      await apply(start(id));
      return finish(id, 'completed', undefined, { end_time: '2026-10-01T00:10:00Z', metadata });
    });
    // an update that copies the object for each key takes 64 times as long
    expect(ratio).toBeLessThan(24);
  });

  it('merges object columns by key, for changes by plain SQL and by the processor', async () => {
    await main.pool.query(`alter table executed_obs_unit add column extra jsonb not null default '{}'`);
    const id = randomUUID();
    await apply(start(id));
    const older = builder(id, 1_700_000_000_000_000)
      .update('executed_obs_unit', id, { extra: { by_hand: 'older', buffered: 'older' } })
      .build();
    await main.pool.query(`update executed_obs_unit set extra = '{"by_hand": 1}' where id = $1`, [id]);
    await apply(older);
    expect(await unit(id)).toMatchObject({ extra: { by_hand: 1, buffered: 'older' } });
    await main.pool.query('alter table executed_obs_unit drop column extra');
  });
});

describe('a column group', () => {
  it('is declared alike in tables.ts and in the triggers', async () => {
    const { rows } = await main.pool.query<{ table: string; groups: string }>(`
      select tgrelid::regclass::text as table, encode(tgargs, 'escape') as groups from pg_trigger
      where tgfoid = 'stamp_changed_fields'::regproc`);
    const byTable = new Map(rows.map(({ table, groups }) => [table, groups.split('\\000').filter(Boolean)]));
    for (const [table, { groups = [], isAppendOnly }] of Object.entries(tables)) {
      if (isAppendOnly) continue;
      expect(byTable.get(table), table).toEqual(groups.map((group) => group.join()));
    }
  });

  it('wins or loses as a whole, and a finish without effect is refused with a reason', async () => {
    const id = randomUUID();
    await apply(start(id, { stamp: 1_700_000_000_000_000 }));
    await main.pool.query(`update executed_obs_unit set status = 'aborted' where id = $1`, [id]);
    await main.pool.query(`update executed_obs_unit set status = 'running' where id = $1`, [id]);
    const late = finish(id, 'completed', 1_700_000_000_000_001);
    const rows = await apply(late);
    expect(rowOf(rows, late)).toMatchObject({ outcome: 'refused' });
    expect(rowOf(rows, late)?.reason).toMatch(/its status was changed at main .* is now running/);
    expect(await unit(id)).toMatchObject({ status: 'running', end_time: null });
    const plain = builder(id, 1_700_000_000_000_002)
      .update('executed_obs_unit', id, { end_time: '2026-10-01T00:10:00Z', metadata: { note: 1 } })
      .build();
    expect(outcomeOf(await apply(plain), plain)).toBe('applied');
    expect(await unit(id)).toMatchObject({ status: 'running', end_time: null, metadata: { note: 1 } });
    // the first release stamps only the edited field
    const other = randomUUID();
    await apply(start(other));
    await main.pool.query(`update executed_obs_unit set field_stamps = '{"status": 9e15}' where id = $1`, [
      other,
    ]);
    await apply(
      builder(other).update('executed_obs_unit', other, { end_time: '2026-10-01T00:10:00Z' }).build(),
    );
    expect(await unit(other)).toMatchObject({ end_time: null });
  });
});

describe('a time that the client did not give', () => {
  it('is that of the stamp, and an end is never before its start', async () => {
    const [id, late] = [randomUUID(), randomUUID()];
    const stamp = 1_790_000_000_123_456;
    await apply(
      start(id, { startTime: null, stamp }),
      finish(id, 'completed', stamp - 5000, { end_time: null }),
    );
    const begun = new Date(1_790_000_000_123);
    expect(await unit(id)).toMatchObject({ start_time: begun, end_time: begun });
    await apply(start(late), finish(late, 'completed', stamp, { end_time: '2025-01-01T00:00:00Z' }));
    expect(await unit(late)).toMatchObject({
      status: 'completed',
      end_time: new Date('2025-01-01T00:00:00Z'),
    });
  });
});

describe('a second start of a record', () => {
  it('is refused without affecting others, unless it is identical', async () => {
    const id = randomUUID();
    const [first, same, other] = [start(id), start(id), start(id, { obsUnitId: 8 })];
    await apply(first);
    const ended = finish(id);
    const rows = await apply(same, other, ended);
    expect([same, other, ended].map((each) => outcomeOf(rows, each))).toEqual([
      'applied',
      'refused',
      'applied',
    ]);
    const again = start(id);
    expect(outcomeOf(await apply(again), again)).toBe('applied');
    expect(await unit(id)).toMatchObject({ obs_unit_id: 7, status: 'completed' });
  });
});

describe('a delete', () => {
  it('refuses the changes that wait for the deleted record', async () => {
    const id = randomUUID();
    const [early, ended, removed] = [
      finish(id),
      finish(id),
      builder(id).delete('executed_obs_unit', id).build(),
    ];
    expect(outcomeOf(await apply(early), early)).toBe('parked start');
    // in an earlier call, and in the same one
    const rows = await apply(ended, removed);
    expect([early, ended, removed].map((each) => outcomeOf(rows, each))).toEqual([
      'refused',
      'refused',
      'applied',
    ]);
    expect(rowOf(rows, early)).toMatchObject({
      reason: `executed_obs_unit ${id} was deleted`,
      waitsFor: null,
    });
  });
});

describe('a start of a planned unit that main does not have', () => {
  it('is applied, with the transactions behind it, once the planned unit exists', async () => {
    const id = randomUUID();
    const [begun, ended] = [start(id, { obsUnitId: 4001 }), finish(id)];
    const first = await apply(begun, ended);
    expect([begun, ended].map((each) => outcomeOf(first, each))).toEqual(['parked start', 'parked behind']);
    expect(await apply()).toEqual([]);
    await insertPlannedUnit(4001);
    const rows = await apply();
    expect([begun, ended].map((each) => outcomeOf(rows, each))).toEqual(['applied', 'applied']);
  });

  it('is found among many whose planned unit never arrives', async () => {
    const never = Array.from({ length: 450 }, (_, n) => start(randomUUID(), { obsUnitId: 500_000 + n }));
    const begun = start(randomUUID(), { obsUnitId: 4002 });
    await apply(...never, begun);
    await insertPlannedUnit(4002);
    let outcome: string | undefined;
    for (let calls = 0; outcome !== 'applied' && calls < 60; calls += 1)
      outcome = outcomeOf(await apply(), begun);
    expect(outcome).toBe('applied');
    await main.pool.query("delete from inbox where outcome = 'parked' and obs_unit_id >= 500000");
  });

  it('becomes overdue after the wait limit, and is still applied', async () => {
    const begun = start(randomUUID(), { obsUnitId: 4003 });
    await apply(begun);
    const { rows } = await applyTransactions(main.pool, [], 0);
    expect(rowOf(rows, begun)).toMatchObject({ outcome: 'parked', overdue: true });
    await insertPlannedUnit(4003);
    expect(outcomeOf(await apply(), begun)).toBe('applied');
  });

  it('waits for any missing row that a foreign key references', async () => {
    const id = randomUUID();
    const made = builder(id);
    made.create('raw_data_package', { name: 'p', instrument_module_id: 77_001 });
    const transaction = made.build();
    expect(rowOf(await apply(transaction), transaction)).toMatchObject({
      parkedFor: 'start',
      waitsFor: 'instrument_module:77001',
    });
    await main.pool.query(
      `insert into instrument_module (id, instrument_id, name) overriding system value values (77001, 1, 'late')`,
    );
    expect(outcomeOf(await apply(), transaction)).toBe('applied');
  });
});

describe('a fault of main', () => {
  const failing = (batch: readonly Transaction[]) => call(batch).then(() => undefined, sqlStateOf);

  it.each([
    [
      'a column is missing',
      '42703',
      'alter table executed_obs_unit rename column metadata to lost',
      'alter table executed_obs_unit rename column lost to metadata',
    ],
    [
      'a table is missing',
      '42P01',
      'alter table executed_obs_unit rename to lost',
      'alter table lost rename to executed_obs_unit',
    ],
    [
      'a foreign trigger raises',
      'P0001',
      `create function no() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
      create trigger no before insert on executed_obs_unit for each row execute function no()`,
      'drop function no cascade',
    ],
    [
      'a foreign trigger violates a constraint of its own table',
      '23502',
      `create table foreign_log (a integer not null);
      create function log_it() returns trigger language plpgsql as $$ begin insert into foreign_log values (null); return new; end $$;
      create trigger log_it before insert on executed_obs_unit for each row execute function log_it()`,
      'drop function log_it cascade; drop table foreign_log',
    ],
    [
      'a privilege is missing',
      '42501',
      `create function no() returns trigger language plpgsql as $$
      begin raise insufficient_privilege; end $$;
      create trigger no before insert on executed_obs_unit for each row execute function no()`,
      'drop function no cascade',
    ],
  ])('fails the call and sets nothing aside when %s', async (_name, state, breakMain, repairMain) => {
    const batch = [start(randomUUID()), start(randomUUID())];
    await main.pool.query(breakMain);
    const failed = await failing(batch);
    await main.pool.query(repairMain);
    expect(failed).toBe(state);
    for (const each of batch) expect(await inbox(each)).toBeUndefined();
    expect(await apply(...batch)).toHaveLength(2);
  });

  it('is recognised behind a data error when three aggregates fail alike without a success', async () => {
    await main.pool.query(
      'alter table executed_obs_unit add constraint bad_migration check (obs_unit_id <> 31) not valid',
    );
    const bad = () => start(randomUUID(), { obsUnitId: 31 });
    const good = finish(randomUUID());
    const three = [bad(), bad(), bad()];
    const behind = three.map(({ aggregate }) => finish(aggregate));
    const first = await call([...three, ...behind, good]);
    expect(first.rows.map(({ id }) => id)).toEqual([good.id]);
    expect(first.failures.map(({ is_recorded }) => is_recorded)).toEqual([false, false, false]);
    // in separate calls, as without a backlog
    const signature = first.failures[0]?.signature ?? '';
    const alone = bad();
    const seen = { [signature]: [randomUUID(), randomUUID()] };
    expect((await call([alone], seen)).rows).toEqual([]);
    // once a similar transaction succeeds, the failures count against their transactions
    const { rows, succeeded } = await call([...three, ...behind, start(randomUUID())]);
    expect(three.map((each) => outcomeOf(rows, each))).toEqual(three.map(() => 'parked failed'));
    expect(behind.map((each) => outcomeOf(rows, each))).toEqual(three.map(() => 'parked behind'));
    expect(succeeded).toEqual(['create executed_obs_unit']);
    await main.pool.query('alter table executed_obs_unit drop constraint bad_migration');
  });
});

describe('setAside', () => {
  it('parks a transaction until a decision; only later ones of its aggregate wait behind it', async () => {
    const id = randomUUID();
    const [begun, early, slow, later] = [start(id), finish(id), finish(id, 'aborted'), finish(id, 'failed')];
    await apply(begun);
    const { rows } = await setAside(main.pool, slow, 'it timed out');
    expect(rows).toMatchObject([
      { outcome: 'parked', parkedFor: 'failed', waitsFor: 'retry', reason: 'it timed out' },
    ]);
    const next = await apply(early, later);
    expect([early, later].map((each) => outcomeOf(next, each))).toEqual(['applied', 'parked behind']);
    expect(await inbox(slow)).toMatchObject({ attempts: 1, waitsFor: 'retry' });
    const retry = builder(id).retry(slow.id).build();
    const last = await apply(retry);
    expect([retry, slow, later].map((each) => outcomeOf(last, each))).toEqual([
      'applied',
      'refused',
      'refused',
    ]);
  });

  it('keeps the text of a transaction whose steps cannot be stored', async () => {
    const id = randomUUID();
    const odd = start(id, { metadata: { large: JSON.rawJSON('1e200000') } });
    const failed = await call([odd]).then(() => undefined, sqlStateOf);
    expect(failed).toBe('22003');
    await setAside(main.pool, odd, 'its steps cannot be stored');
    const { rows } = await main.pool.query<{ raw: string }>(
      "select raw from inbox where transaction_id = $1 and outcome = 'parked' and steps is null",
      [odd.id],
    );
    expect(JSON.parse(rows[0]?.raw ?? '')).toMatchObject({ id: odd.id });
    const ended = finish(id);
    expect(outcomeOf(await apply(ended), ended)).toBe('parked behind');
    const discard = builder(id).discard(odd.id, 'too large').build();
    expect(outcomeOf(await apply(discard), odd)).toBe('discarded');
  });

  it('refuses a decision, so that it blocks nothing', async () => {
    const id = randomUUID();
    const ended = finish(id);
    await apply(ended);
    const retry = builder(id).retry(ended.id).build();
    expect((await setAside(main.pool, retry, 'it timed out')).rows).toMatchObject([{ outcome: 'refused' }]);
    expect(outcomeOf(await apply(start(id)), ended)).toBe('applied');
  });
});

describe('a decision', () => {
  const target = ({ aggregate, stamp, principal }: Transaction) => ({ aggregate, stamp, principal });
  const discardUnseen = (of: Transaction): Transaction => {
    const made = builder(of.aggregate).discard(of.id, 'clouds').build();
    return { ...made, steps: made.steps.map((step) => ({ ...step, target: target(of) })) };
  };

  it('discards a transaction that main has not seen yet', async () => {
    const begun = start(randomUUID());
    const discard = discardUnseen(begun);
    expect(outcomeOf(await apply(discard), discard)).toBe('applied');
    expect(await inbox(begun)).toMatchObject({ outcome: 'discarded', reason: 'clouds', stamp: begun.stamp });
    expect(outcomeOf(await apply(begun), begun)).toBe('discarded');
    expect(await unit(begun.aggregate)).toBeUndefined();
  });

  it('takes effect before the other transactions of its batch', async () => {
    const begun = start(randomUUID());
    const rows = await apply(begun, builder(begun.aggregate).discard(begun.id, 'clouds').build());
    expect(outcomeOf(rows, begun)).toBe('discarded');
    expect(await inbox(begun)).toMatchObject({ steps: [{ kind: 'create' }] });
  });

  it('is refused with a reason for an applied, discarded or unknown transaction', async () => {
    const id = randomUUID();
    const [begun, other] = [start(id), finish(randomUUID())];
    await apply(begun, other);
    const discarded = builder(other.aggregate).discard(other.id, 'x').build();
    await apply(discarded);
    const decisions = [
      builder(id).discard(begun.id, 'x').build(),
      builder(other.aggregate).retry(other.id).build(),
      builder(id).retry(randomUUID()).build(),
      builder(id).discard(randomUUID(), 'x').build(),
    ];
    const rows = await apply(...decisions);
    expect(decisions.map((each) => rowOf(rows, each)?.reason)).toEqual([
      `transaction ${begun.id} has been applied`,
      `transaction ${other.id} was discarded, which is final`,
      expect.stringContaining('has not received') as string,
      expect.stringContaining('is not known to main') as string,
    ]);
  });
});

describe('an alias', () => {
  it('of a recorded transaction makes it the same request, in either order of arrival', async () => {
    const id = randomUUID();
    const old = start(id);
    const renamed = { ...start(id), id: randomUUID(), alias: old.id };
    await apply(old);
    expect(outcomeOf(await apply(renamed), renamed)).toBe('applied');
    const other = randomUUID();
    const first = { ...start(other, { obsUnitId: 4100 }), alias: randomUUID() };
    const second = { ...start(other, { obsUnitId: 4100 }), id: first.alias };
    await apply(first);
    expect(outcomeOf(await apply(second), second)).toBe('applied');
    // the parked one is not mistaken for a repeat of the other
    await insertPlannedUnit(4100);
    expect(outcomeOf(await apply(), first)).toBe('applied');
    expect(await unit(other)).toMatchObject({ obs_unit_id: 4100 });
    const third = randomUUID();
    const waits = start(third, { obsUnitId: 4101 });
    const repeat = { ...start(third, { obsUnitId: 4101 }), alias: waits.id };
    await apply(waits);
    expect(outcomeOf(await apply(repeat), repeat)).toBe('applied');
    await insertPlannedUnit(4101);
    expect(outcomeOf(await apply(), waits)).toBe('applied');
    expect(await unit(third)).toMatchObject({ obs_unit_id: 4101 });
  });

  it('of a request that made another record is refused, naming that request', async () => {
    const old = start(randomUUID());
    const renamed = { ...start(randomUUID()), alias: old.id };
    const rows = await apply(old, renamed);
    expect(rowOf(rows, renamed)).toMatchObject({ outcome: 'refused' });
    expect(rowOf(rows, renamed)?.reason).toContain(old.id);
    expect(await unit(renamed.aggregate)).toBeUndefined();
  });
});

describe('the functions of two releases on one database', () => {
  /** as the first release calls it */
  const applyOfFirstRelease = async (...batch: Transaction[]) => {
    const withRecords = batch.map((each) => ({ ...each, record_ids: recordIdsOf(each) }));
    const { rows } = await main.pool.query<pg.QueryResultRow>(
      'select * from public.apply_transactions($1::jsonb, $2::text[], $3)',
      [storableJson(withRecords), ['08', '40', '55', '57'], 900],
    );
    return rows.map(readInboxRow);
  };

  it.each([
    ['this release applies transactions that the first release parked', applyOfFirstRelease, apply],
    ['the first release applies transactions that this release parked', apply, applyOfFirstRelease],
  ])('%s', async (_name, before, after) => {
    const id = randomUUID();
    const [ended, begun] = [finish(id), start(id)];
    expect(outcomeOf(await before(ended), ended)).toBe('parked start');
    const rows = await after(begun);
    expect([begun, ended].map((each) => outcomeOf(rows, each))).toEqual(['applied', 'applied']);
    const obsUnitId = (nextStamp() / 1000) % 1e9;
    const [again, unknown] = [start(randomUUID()), start(randomUUID(), { obsUnitId })];
    await before(again, unknown);
    const repeated = await after(again, unknown);
    expect(outcomeOf(repeated, again)).toBe('applied');
    const retry = builder(unknown.aggregate).retry(unknown.id).build();
    await insertPlannedUnit(obsUnitId);
    expect(outcomeOf(await after(retry), unknown)).toBe('applied');
  });
});

it('inbox_state agrees with stateOfInbox', async () => {
  for (const outcome of outcomes) {
    for (const parkedFor of outcome === 'parked' ? parkingReasons : [null]) {
      for (const overdue of [false, true]) {
        const { rows } = await main.pool.query<{ state: string }>('select inbox_state($1, $2, $3) as state', [
          outcome,
          parkedFor,
          overdue,
        ]);
        expect(rows[0]?.state).toBe(stateOfInbox({ outcome, parkedFor, overdue }));
      }
    }
  }
});

it('listing and counting by state use an index', async () => {
  const client = await main.pool.connect();
  await client.query('set enable_seqscan = off');
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain select * from inbox
    where outcome <> 'applied' and inbox_state(outcome, parked_for, overdue) = 'failed'
    order by stamp desc, transaction_id desc limit 10`);
  client.release(true);
  expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('inbox_by_state');
});
