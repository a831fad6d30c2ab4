/** `make_buffered_v1`, on tables that no migration has created. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { start } from '../support/made-transactions.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';

let main: TestMain;
const unit = randomUUID();

beforeAll(async () => {
  main = await startTestMain();
  await applyTransactions(main.pool, [start(unit)], 900);
  await main.pool.query(`
    create table weather_note (id uuid primary key, executed_obs_unit_id uuid, state text not null default 'draft', at timestamptz);
    select make_buffered_v1('weather_note', parent => 'executed_obs_unit_id', together => '{"state,at"}',
      states => '{"state": ["draft", "final"]}');
    create table weather_log (id uuid primary key, text text not null);
    select make_buffered_v1('weather_log', feed => false, append_only => true)`);
});
afterAll(() => main.stop());

const code = (error: unknown) => (error as { code?: string }).code;
const refusal = (sql: string, values: unknown[] = []) =>
  main.pool.query(sql, values).then(() => 'taken', code);

it('make_buffered_v1 requires an existing parent and a declared state', async () => {
  const insert = 'insert into weather_note (id, executed_obs_unit_id, state) values ($1, $2, $3)';
  expect(await refusal(insert, [randomUUID(), randomUUID(), 'draft'])).toBe('23503');
  expect(await refusal(insert, [randomUUID(), unit, 'lost'])).toBe('23514');
  expect(await refusal(insert, [randomUUID(), unit, 'final'])).toBe('taken');
});

it('make_buffered_v1 stamps changes by plain SQL, with their whole column group, and writes them to the outbox', async () => {
  const id = randomUUID();
  await main.pool.query('insert into weather_note (id, executed_obs_unit_id) values ($1, $2)', [id, unit]);
  await main.pool.query("update weather_note set state = 'final' where id = $1", [id]);
  const { rows } = await main.pool.query<{ field_stamps: object }>(
    'select field_stamps from weather_note where id = $1',
    [id],
  );
  expect(Object.keys(rows[0]?.field_stamps ?? {}).sort()).toEqual(['at', 'state']);
  const noted = await main.pool.query('select from change_outbox where table_name = $1 and row_id = $2', [
    'weather_note',
    id,
  ]);
  expect(noted.rowCount).toBe(2);
});

it('make_buffered_v1 forbids changes of append-only tables, and without a feed writes nothing to the outbox', async () => {
  const id = randomUUID();
  await main.pool.query("insert into weather_log (id, text) values ($1, 'fog')", [id]);
  expect(await refusal("update weather_log set text = 'sun' where id = $1", [id])).toBe('OP001');
  expect(await refusal('delete from weather_log where id = $1', [id])).toBe('OP001');
  const noted = await main.pool.query("select from change_outbox where table_name = 'weather_log'");
  expect(noted.rowCount).toBe(0);
});

it('make_buffered_v1 refuses a table without a uuid primary key', async () => {
  expect(
    await refusal(
      "create table weather_index (id integer primary key); select make_buffered_v1('weather_index')",
    ),
  ).toBe('P0001');
});
