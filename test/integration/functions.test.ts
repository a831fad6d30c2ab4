/** The small SQL functions, each by itself. Tests of them together: apply, setting-aside and steps.model. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { releaseSchema } from '../../lib/postgres/release.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import type { Json } from '../../lib/values/json.ts';
import { eventually } from '../support/eventually.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';

let main: TestMain;
let client: pg.PoolClient;

beforeAll(async () => {
  main = await startTestMain();
  client = await main.pool.connect();
  await client.query(`set search_path to pg_temp, ${releaseSchema}, public`);
});
afterAll(async () => {
  client.release(true);
  await main.stop();
});

const call = async (name: string, ...args: readonly (Json | string)[]): Promise<unknown> => {
  const places = args.map((_, index) => `$${index + 1}`);
  const { rows } = await client.query<{ given: unknown }>(
    `select to_jsonb(${name}(${places.join()})) as given`,
    args.map((arg) => (typeof arg === 'object' || typeof arg === 'boolean' ? JSON.stringify(arg) : arg)),
  );
  return rows[0]?.given;
};
const unit = derivedUuid('unit');
const file = derivedUuid('file');
const startOf = (table: string) => ({ steps: [{ kind: 'create', table, id: unit, values: {} }] });
const ended = { id: unit, status: 'completed', field_stamps: { status: 5, end_time: 5 } };
const running = { id: unit, status: 'running', field_stamps: {} };
const parkedFor = (thing: string) => ({ outcome: 'parked', parked_for: 'start', waits_for: thing });
const waiting = { id: file, state: 'waiting', checksum: null, field_stamps: { state: 5 } };
const updates = (values: Json, more: object = {}) => ({
  kind: 'update',
  table: 'executed_obs_unit',
  id: unit,
  values,
  ...more,
});
const moves = (values: Json, more: object = {}) => updates(values, { table: 'raw_data_package', ...more });

describe.each<[name: string, cases: readonly (readonly [args: readonly Json[], given: unknown])[]]>([
  [
    'group_of',
    [
      [
        ['executed_obs_unit', 'status'],
        ['status', 'end_time'],
      ],
      [
        ['executed_obs_unit', 'end_time'],
        ['status', 'end_time'],
      ],
      [['executed_obs_unit', 'metadata'], ['metadata']],
    ],
  ],
  [
    'group_stamp',
    [
      [['executed_obs_unit', 'status', { end_time: 5, metadata: 9 }], 5],
      [['executed_obs_unit', 'status', { end_time: 5, status: 7 }], 7],
      [['executed_obs_unit', 'metadata', {}], 0],
    ],
  ],
  [
    'is_decision',
    [
      [[{ steps: [{ kind: 'retry' }] }], true],
      [[{ steps: [{ kind: 'update' }, { kind: 'discard' }] }], true],
      [[startOf('executed_obs_unit')], false],
    ],
  ],
  [
    'holds_others',
    [
      [[{ aggregate: unit, record_ids: [file], steps: [] }, `obs_unit:${unit}`], true],
      [[{ aggregate: unit, record_ids: [unit], steps: [] }, `executed_obs_unit:${unit}`], false],
      [[{ aggregate: unit, aggregates: [unit, file], record_ids: [unit], steps: [] }, `x:${unit}`], true],
      [[{ aggregate: unit, record_ids: [unit], ...startOf('executed_obs_unit') }, `x:${unit}`], true],
    ],
  ],
  [
    'waiting_for',
    [
      [['obs_unit:9'], { ...parkedFor('obs_unit:9'), reason: 'planned unit 9 is not known to main' }],
      [['site:9'], { ...parkedFor('site:9'), reason: 'site 9 is not known to main' }],
    ],
  ],
  [
    'shape_of',
    [
      [
        [{ steps: [updates({}), moves({}), updates({})] }],
        'update executed_obs_unit, update raw_data_package',
      ],
      [[{ steps: [moves({}), updates({})] }], 'update executed_obs_unit, update raw_data_package'],
    ],
  ],
  [
    'reference_exists',
    [
      [['obs_unit:1'], true],
      [['obs_unit:999999'], false],
    ],
  ],
  [
    'verdict_of_error',
    [
      [
        ['23503', 'm', 'Key (obs_unit_id)=(9) is not present in table "obs_unit".'],
        {
          outcome: 'parked',
          parked_for: 'start',
          waits_for: 'obs_unit:9',
          reason: 'm (SQLSTATE 23503)',
        },
      ],
      [
        ['23503', 'm', 'Key (id)=(9) is still referenced from table "raw_data_file".'],
        { outcome: 'parked', parked_for: 'failed', reason: 'm (SQLSTATE 23503)' },
      ],
      [['22P02', 'm', ''], { outcome: 'parked', parked_for: 'failed', reason: 'm (SQLSTATE 22P02)' }],
    ],
  ],
  [
    'missing_reference',
    [
      [['executed_obs_unit', { obs_unit_id: 999999 }, '{}'], 'obs_unit:999999'],
      [['executed_obs_unit', { obs_unit_id: 1 }, '{}'], null],
      [['raw_data_file', { executed_obs_unit_id: unit }, '{}'], `executed_obs_unit:${unit}`],
      [['raw_data_file', { executed_obs_unit_id: unit }, `{${unit}}`], null],
      [['raw_data_file', { executed_obs_unit_id: null }, '{}'], null],
    ],
  ],
  [
    'unmet_condition',
    [
      [[updates({ status: 'aborted' }, { only_if: { status: 'running' } }), 9, running], null],
      [
        [updates({ status: 'aborted' }, { only_if: { status: 'running' } }), 9, ended],
        'it had already ended as completed with different values',
      ],
      [
        [moves({ checksum: 'b' }, { only_if: { checksum: 'a' } }), 9, waiting],
        'its values do not allow this change: checksum is empty',
      ],
      [[moves({ state: 'archived' }), 9, waiting], null],
      [[moves({ state: 'waiting' }), 9, waiting], null],
      [
        [moves({ state: 'waiting' }), 9, { ...waiting, state: 'archived' }],
        'its state is archived and cannot become waiting',
      ],
      // a correction
      [[moves({ state: 'waiting' }, { corrects: true }), 9, { ...waiting, state: 'archived' }], null],
      // an update older than the row
      [[moves({ state: 'waiting' }), 4, { ...waiting, state: 'archived' }], null],
    ],
  ],
])('%s', (name, cases) => {
  it.each(cases)('%j', async (args, given) => {
    expect(await call(name, ...args)).toEqual(given);
  });
});

describe('has_value', () => {
  const at = '2026-10-01T00:00:00Z';
  it.each<[Json, Json, boolean]>([
    ['a', 'a', true],
    ['a', 'b', false],
    [{ a: 1, b: 2 }, { a: 1 }, true],
    [{ a: 1, b: 2 }, { a: 2 }, false],
    [{ a: 1 }, { c: 1 }, false],
    [null, { a: 1 }, false],
    [at, '2026-10-01T02:00:00+02:00', true],
    [at, '2026-10-01T02:00:00+01:00', false],
    [at, '2026-99-01T00:00:00Z', false],
    ['today', at, false],
    [5, at, false],
  ])('of %j, given %j, is %s', async (present, given, is) => {
    const { rows } = await client.query<{ is: boolean }>('select has_value($1::jsonb, $2::jsonb) as is', [
      JSON.stringify(present),
      JSON.stringify(given),
    ]);
    expect(rows).toEqual([{ is }]);
  });
});

it('stamp_time reads microseconds since 1970', async () => {
  const { rows } = await client.query<{ is: boolean }>(
    `select stamp_time(1758000000000001) = timestamptz '2025-09-16T05:20:00.000001Z' as is`,
  );
  expect(rows).toEqual([{ is: true }]);
});

it('insert_row sets the given columns, whatever their names, and the id of the step', async () => {
  await client.query(
    `create temp table odd (id uuid primary key, "Odd ""name" text, other text default 'default')`,
  );
  await client.query('select insert_row($1, $2, $3)', [
    'odd',
    unit,
    JSON.stringify({ id: file, 'Odd "name': 'x' }),
  ]);
  const { rows } = await client.query('select * from odd');
  expect(rows).toEqual([{ id: unit, 'Odd "name': 'x', other: 'default' }]);
});

it('update_row writes only columns with a newer stamp, whatever their names', async () => {
  await client.query(
    `create temp table dated (id uuid primary key, "Odd ""name" text, field_stamps jsonb, updated_at timestamptz)`,
  );
  await client.query('insert into dated values ($1)', [unit]);
  const update = (value: string, stamp: number, stamps: Json) =>
    call('update_row', 'dated', unit, { 'Odd "name': value }, stamp, { field_stamps: stamps });
  await update('first', 5, {});
  await update('older', 4, { 'Odd "name': 5 });
  const { rows } = await client.query<object>('select * from dated');
  expect(rows).toMatchObject([{ 'Odd "name': 'first', field_stamps: { 'Odd "name': 5 } }]);
});

describe('buffered_row', () => {
  it.each([
    [
      'locks a row of a mutable table',
      'executed_obs_unit',
      { obs_unit_id: 1, status: 'running', start_time: '2026-10-01T00:00:00Z' },
      0,
    ],
    [
      'locks no row of an append-only table',
      'audit_event',
      { at: '2026-10-01T00:00:00Z', action: 'login', principal: '7', subject: '7' },
      1,
    ],
  ])('%s', async (_what, table, values, free) => {
    await client.query('begin');
    try {
      await client.query(`select set_config('ops.processor', 'on', true), insert_row($1, $2, $3)`, [
        table,
        unit,
        JSON.stringify(values),
      ]);
      await client.query('commit; begin');
      expect(await call('buffered_row', table, unit)).toMatchObject({ id: unit });
      const { rowCount } = await main.pool.query(
        `select from ${table} where id = $1 for update skip locked`,
        [unit],
      );
      expect(rowCount).toBe(free);
    } finally {
      await client.query('rollback');
    }
  });

  it('is null if there is no such row', async () => {
    expect(await call('buffered_row', 'raw_data_file', unit)).toBeNull();
  });
});

describe('lock_aggregates', () => {
  // not in the order of their locks, which are 41, 112, 164, 202, 339, 442
  const aggregates = ['f', 'a', 'e', 'b', 'd', 'c'].map((name) => derivedUuid(name));
  const granted = async () => {
    const { rows } = await main.pool.query<{ objid: number }>(
      `select objid from pg_locks where locktype = 'advisory' and classid = 7305 and granted and pid = $1 order by objid`,
      [(client as unknown as { processID: number }).processID],
    );
    return rows.map(({ objid }) => objid);
  };

  it('takes the same locks as the first release', async () => {
    await client.query('begin');
    await client.query('select lock_aggregates($1)', [aggregates]);
    expect(await granted()).toEqual([41, 112, 164, 202, 339, 442]);
    await client.query('rollback');
  });

  it('takes the locks in ascending order, so that two calls never deadlock', async () => {
    const other = await main.pool.connect();
    await other.query('begin; select pg_advisory_xact_lock(7305, 202)');
    await client.query('begin');
    const locked = client.query('select lock_aggregates($1)', [aggregates]);
    await eventually(async () => expect(await granted()).toEqual([41, 112, 164]));
    await other.query('rollback');
    other.release();
    await locked;
    await client.query('rollback');
  });
});

describe('work_of', () => {
  const transaction = (id: string, stamp: number, more: object) => ({
    id: derivedUuid(id),
    stamp,
    aggregate: unit,
    ...more,
  });
  const idsOf = async (...batch: Json[]) => {
    const { rows } = await client.query<{ id: string; answer: boolean }>(
      `select t ->> 'id' as id, t -> 'provisional' is null as answer from unnest(work_of($1, '{}', '{}')) with ordinality as w(t, at)
      order by at`,
      [JSON.stringify(batch)],
    );
    return rows;
  };

  it('puts the start first, whatever its stamp', async () => {
    const finish = transaction('finish', 3, { steps: [updates({ status: 'aborted' })] });
    const start = transaction('start', 5, startOf('executed_obs_unit'));
    expect((await idsOf(finish, start)).map(({ id }) => id)).toEqual([start.id, finish.id]);
  });

  it('prefers the copy whose answer was final to a provisional one', async () => {
    const start = transaction('start', 5, startOf('executed_obs_unit'));
    const provisional = { ...start, stamp: 4, provisional: true };
    expect(await idsOf(provisional, start)).toEqual([{ id: start.id, answer: true }]);
  });
});
