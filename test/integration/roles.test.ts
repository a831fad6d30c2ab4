/** The roles of the functions: they can do their work, and nothing else. */
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRole, roles } from '../../lib/postgres/roles.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { testPool } from '../support/test-pool.ts';

let main: TestMain;
const pools: pg.Pool[] = [];
const as = (name: string) => {
  const url = new URL(main.url);
  url.username = name;
  const pool = testPool(url.href);
  pools.push(pool);
  return pool;
};

beforeAll(async () => {
  main = await startTestMain();
  const statements = Object.values(roles).flatMap(createRole);
  for (const sql of [...statements, ...statements]) await main.pool.query(sql);
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await main.stop();
});

const refused = { code: '42501' };

describe.each(Object.values(roles))('$name', ({ name, statement }) => {
  it('reads every table', async () => {
    const { rows } = await main.pool.query<{ table: string }>(
      "select format('%I.%I', schemaname, tablename) as table from pg_tables where schemaname = 'public'",
    );
    const pool = as(name);
    for (const { table } of rows) await pool.query(`select from ${table} limit 1`);
    expect(rows.length).toBeGreaterThan(5);
  });

  it('changes no schema, and empties no table', async () => {
    const pool = as(name);
    for (const sql of ['create table mine ()', 'truncate executed_obs_unit', 'drop table inbox'])
      await expect(pool.query(sql)).rejects.toMatchObject(refused);
  });

  it('is described in the README of the deployment', async () => {
    expect(await readFile('infra/aws/README.md', 'utf8')).toContain(`${statement};`);
  });
});

it('the role of reads writes nothing', async () => {
  await expect(as(roles.reader.name).query('delete from inbox')).rejects.toMatchObject(refused);
});
