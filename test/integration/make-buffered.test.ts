/** What `make_buffered_v1` makes of a table that a migration has created; tried on one that no migration has. */
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

it('a row belongs to one that is there, and has a state that the table knows', async () => {
  const insert = 'insert into weather_note (id, executed_obs_unit_id, state) values ($1, $2, $3)';
  expect(await refusal(insert, [randomUUID(), randomUUID(), 'draft'])).toBe('23503');
  expect(await refusal(insert, [randomUUID(), unit, 'lost'])).toBe('23514');
  expect(await refusal(insert, [randomUUID(), unit, 'final'])).toBe('taken');
});

it('a change by plain SQL is stamped, with the columns that belong to it, and told', async () => {
  const id = randomUUID();
  await main.pool.query('insert into weather_note (id, executed_obs_unit_id) values ($1, $2)', [id, unit]);
  await main.pool.query("update weather_note set state = 'final' where id = $1", [id]);
  const { rows } = await main.pool.query<{ field_stamps: object }>(
    'select field_stamps from weather_note where id = $1',
    [id],
  );
  expect(Object.keys(rows[0]?.field_stamps ?? {}).sort()).toEqual(['at', 'state']);
  const told = await main.pool.query('select from change_outbox where table_name = $1 and row_id = $2', [
    'weather_note',
    id,
  ]);
  expect(told.rowCount).toBe(2);
});

it('what is append-only is neither changed nor deleted, and what is of the site alone is not told', async () => {
  const id = randomUUID();
  await main.pool.query("insert into weather_log (id, text) values ($1, 'fog')", [id]);
  expect(await refusal("update weather_log set text = 'sun' where id = $1", [id])).toBe('OP001');
  expect(await refusal('delete from weather_log where id = $1', [id])).toBe('OP001');
  const told = await main.pool.query("select from change_outbox where table_name = 'weather_log'");
  expect(told.rowCount).toBe(0);
});

it('a table without an id that clients can make is refused', async () => {
  expect(
    await refusal(
      "create table weather_index (id integer primary key); select make_buffered_v1('weather_index')",
    ),
  ).toBe('P0001');
});
