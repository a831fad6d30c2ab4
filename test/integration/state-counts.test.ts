/** Rows by state from the changes of each statement. */
import { fc, times } from '../support/property.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectPostgres, type Pool, type PoolClient } from '../../lib/postgres/connect.ts';
import {
  foldStateCounts,
  maintainStateCounts,
  needMaintenance,
  readStateCounts,
} from '../../lib/postgres/state-counts.ts';
import { readTransferOverview } from '../../lib/transfer/overview.ts';
import { eventually } from '../support/eventually.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';

let main: TestMain;
let pool: Pool;

beforeAll(async () => {
  main = await startTestMain();
  pool = connectPostgres({ url: main.url, applicationName: 'test', maxConnections: 8 });
});
afterAll(async () => {
  await pool.end();
  await main.stop();
});
beforeEach(() => pool.query('truncate state_count'));

const maintain = () => maintainStateCounts(pool, 5000);

/** Compares counters and rows in one snapshot. @returns false if there are no counters yet */
async function check(): Promise<boolean> {
  return withClient(async (client) => {
    await client.query("begin isolation level repeatable read; set local lock_timeout = '2s'");
    const known = await readStateCounts(client);
    if (!known) return false;
    const { rows } = await client.query<{ name: string; state: string; n: number }>(`
      select 'raw_data_package' as name, state, count(*)::integer as n from raw_data_package group by state
      union all
      select 'data_transfer', status, count(*)::integer from data_transfer group by status`);
    const counted = Object.entries(known).flatMap(([name, counts]) =>
      Object.entries(counts).flatMap(([state, n]) => (n === 0 ? [] : [{ name, state, n }])),
    );
    expect(new Set(counted)).toEqual(new Set(rows));
    return true;
  });
}

async function withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    await client.query('rollback');
    client.release();
  }
}

/** Resolves once one connection waits for another. */
const isWaiting = () =>
  eventually(async () => {
    const { rows } = await pool.query("select from pg_stat_activity where wait_event_type = 'Lock'");
    expect(rows).toHaveLength(1);
  });

const insertMany = `insert into data_transfer (status)
  select (array['pending', 'scheduled', 'failed'])[1 + n % 3] from generate_series(1, $1::integer) n`;

describe('state counters', () => {
  it('equal the rows after a bulk insert of 30,000 rows, COPY, MERGE, upserts, updates, cascades and deletes', async () => {
    await maintain();
    const statements = [
      insertMany.replace('$1::integer', '30000'),
      "copy data_transfer (status) from program 'yes in_progress | head -70'",
      `insert into data_transfer (id, status) overriding system value select n, 'failed' from generate_series(20, 60) n
        on conflict (id) do update set status = 'completed'`,
      `merge into data_transfer t using generate_series(1, 50) n on t.id = n
        when matched and n % 2 = 0 then update set status = 'scheduled' when matched then delete
        when not matched then insert (status) values ('pending')`,
      "update data_transfer set status = 'completed' where id % 7 = 0",
      'update data_transfer set retry_count = retry_count + 1',
      'delete from data_transfer where id % 3 = 0',
      "update raw_data_package set state = 'transferring' where state = 'waiting'",
      'delete from raw_data_package where false',
    ];
    for (const statement of statements) {
      await pool.query(statement);
      expect(await check()).toBe(true);
    }
    await foldStateCounts(pool, 1);
    expect(await check()).toBe(true);
  });

  it('record nothing for an update that keeps the state', async () => {
    await maintain();
    await foldStateCounts(pool, 1);
    await pool.query('update data_transfer set retry_count = retry_count + 1, status = status');
    const { rows } = await pool.query('select from state_count where not is_base');
    expect(rows).toEqual([]);
  });

  it('block no other transaction while one stays open', async () => {
    await maintain();
    await withClient(async (open) => {
      await open.query("begin; update data_transfer set status = 'failed' where id % 2 = 0");
      await open.query("insert into data_transfer (status) values ('scheduled')");
      await withClient(async (other) => {
        await other.query("set lock_timeout = '1ms'");
        await other.query("insert into data_transfer (status) values ('scheduled'), ('pending')");
        await other.query("update data_transfer set status = 'completed' where id = 1");
        await foldStateCounts(other, 1);
        await other.query('reset lock_timeout');
      });
      expect(await check()).toBe(true);
      await open.query('commit');
    });
    expect(await check()).toBe(true);
  });

  it('get a correct base under open transactions and concurrent writes', async () => {
    let isOver = false;
    const write = async (): Promise<void> => {
      while (!isOver) {
        await pool.query(insertMany, [50]);
        await pool.query(
          "update data_transfer set status = 'failed' where status = 'scheduled' and id % 5 = 0",
        );
      }
    };
    await pool.query(insertMany, [30]);
    await withClient(async (open) => {
      await open.query("begin; delete from data_transfer where status = 'pending'");
      const writing = write();
      await Promise.all([maintain(), maintain(), maintain(), pool.query(insertMany, [20_000])]);
      isOver = true;
      await writing;
      expect(await check()).toBe(true);
      await open.query('commit');
    });
    expect(await check()).toBe(true);
  });

  it('get one base from two concurrent initialisations', async () => {
    await pool.query(insertMany, [10]);
    await withClient(async (client) => {
      await client.query('begin');
      await client.query("insert into state_count values ('data_transfer', '', 0, 0, true)");
      const waiting = maintain();
      await isWaiting();
      await client.query('commit');
      await waiting;
    });
    expect(await check()).toBe(true);
  });

  it('stay consistent for every reader under concurrent folding', async () => {
    await maintain();
    let left = 60;
    const write = async (): Promise<void> => {
      while ((left -= 1) > 0) await pool.query(insertMany, [3]);
    };
    const fold = async (): Promise<void> => {
      while (left > 0) await foldStateCounts(pool, 1);
    };
    const read = async (): Promise<void> => {
      while (left > 0) expect(await check()).toBe(true);
    };
    await Promise.all([write(), write(), fold(), fold(), fold(), read()]);
    expect(await check()).toBe(true);
  });

  it('restart with TRUNCATE, also among other changes of its transaction', async () => {
    await maintain();
    await withClient(async (client) => {
      await client.query(`begin isolation level repeatable read; select 1 from data_transfer limit 1`);
      // invisible to the transaction that truncates
      await pool.query(insertMany, [10]);
      await client.query('insert into data_transfer (status) select status from data_transfer limit 5');
      await client.query('savepoint before; truncate data_transfer; rollback to before');
      await client.query("delete from data_transfer where status = 'failed'");
      await client.query('truncate data_transfer, raw_data_package cascade');
      await client.query("insert into data_transfer (status) values ('completed'), ('pending')");
      await client.query("update data_transfer set status = 'failed' where status = 'pending'");
      await client.query('commit');
    });
    expect(await check()).toBe(true);
    await foldStateCounts(pool, 1);
    expect(await check()).toBe(true);
    const { rows } = await pool.query(
      'select state, n from state_count where table_name = $1 order by state',
      ['data_transfer'],
    );
    expect(rows).toEqual([
      { state: '', n: '0' },
      { state: 'completed', n: '1' },
      { state: 'failed', n: '1' },
    ]);
  });

  it('get their base after waiting for a TRUNCATE', async () => {
    await pool.query(insertMany, [10]);
    await withClient(async (client) => {
      await client.query('begin; truncate data_transfer');
      const waiting = maintain();
      await isWaiting();
      await client.query('commit');
      await waiting;
    });
    expect(await check()).toBe(true);
  });

  it('need no privileges of a role that changes the table', async () => {
    await maintain();
    await pool.query(`
      create role other_program;
      grant select, insert, update, delete on data_transfer, change_outbox to other_program`);
    await withClient(async (client) => {
      await client.query(`set role other_program`);
      await client.query("insert into data_transfer (status) values ('pending')");
      await client.query("update data_transfer set status = 'failed' where status = 'pending'");
      await client.query('reset role');
    });
    expect(await check()).toBe(true);
  });
});

describe('counter maintenance', () => {
  it('is needed while a table has no base, and when many rows can be folded', async () => {
    expect(await needMaintenance(pool)).toBe(true);
    await maintain();
    expect(await needMaintenance(pool)).toBe(false);
    for (let n = 0; n < 200; n += 1) await pool.query("insert into data_transfer (status) values ('failed')");
    expect(await needMaintenance(pool)).toBe(true);
    await maintain();
    expect(await needMaintenance(pool)).toBe(false);
    expect(await check()).toBe(true);
  });

  it('gives up when a table stays locked, and readers count rows meanwhile', async () => {
    await withClient(async (client) => {
      await client.query('begin; lock table data_transfer in access exclusive mode');
      await expect(maintain()).rejects.toMatchObject({ code: '55P03' });
    });
    expect(await readStateCounts(pool)).toBeUndefined();
    await maintain();
    expect(await check()).toBe(true);
  });
});

describe('the transfer overview', () => {
  it('is byte for byte the same from rows and from counters', async () => {
    const counted = JSON.stringify(await readTransferOverview(pool));
    await maintain();
    expect(await readStateCounts(pool)).toBeDefined();
    expect(JSON.stringify(await readTransferOverview(pool))).toBe(counted);
  });

  it('counts rows on a database without counters', async () => {
    const counted = await readTransferOverview(pool);
    await maintain();
    await withClient(async (client) => {
      await client.query('alter table state_count rename to state_count_later');
      try {
        expect(await readTransferOverview(client)).toEqual(counted);
      } finally {
        await client.query('alter table state_count_later rename to state_count');
      }
    });
  });

  it('does not wait for an open transaction that has truncated a table', async () => {
    await maintain();
    const before = await readTransferOverview(pool);
    await withClient(async (client) => {
      await client.query('begin; truncate data_transfer');
      expect(await readTransferOverview(pool)).toEqual(before);
    });
  });
});

type Statement = { readonly client: number; readonly sql: string };
type Step = Statement | 'fold' | 'maintain';

const states = fc.constantFrom('pending', 'scheduled', 'in_progress', 'completed', 'failed');
const part = fc.integer({ min: 2, max: 5 });
const sql = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('begin', 'begin isolation level repeatable read') },
  { weight: 2, arbitrary: fc.constantFrom('commit', 'commit', 'rollback') },
  { weight: 1, arbitrary: fc.constantFrom('savepoint s', 'rollback to s', 'release s') },
  {
    weight: 4,
    arbitrary: fc
      .tuple(states, fc.integer({ min: 1, max: 40 }))
      .map(([s, n]) => `insert into data_transfer (status) select '${s}' from generate_series(1, ${n})`),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(states, part, fc.nat(4))
      .map(([s, of, at]) => `update data_transfer set status = '${s}' where id % ${of} = ${at}`),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(states, part)
      .map(([s, of]) => `delete from data_transfer where status = '${s}' and id % ${of} = 0`),
  },
  { weight: 1, arbitrary: fc.constant('truncate data_transfer') },
  { weight: 1, arbitrary: fc.constant("copy data_transfer (status) from program 'yes failed | head -3'") },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('waiting', 'transferring', 'failed')
      .map((s) => `insert into raw_data_package (id, name, state) values (gen_random_uuid(), 'p', '${s}')`),
  },
  { weight: 1, arbitrary: fc.constant('truncate raw_data_package cascade') },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ client: fc.nat(2), sql }) },
  { weight: 2, arbitrary: fc.constantFrom('fold' as const, 'maintain' as const) },
);

it('state counters equal the rows at every point of any history of concurrent connections', async () => {
  let checked = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (history) => {
      await pool.query('truncate state_count, data_transfer');
      await pool.query('delete from state_count');
      const clients = await Promise.all([0, 1, 2].map(() => pool.connect()));
      try {
        for (const client of clients) await client.query("set lock_timeout = '10ms'");
        for (const each of history) {
          await perform(each, clients);
          if (await isReadable()) checked += (await check()) ? 1 : 0;
        }
        for (const client of clients) await client.query('commit');
        await maintain();
        expect(await check()).toBe(true);
        await foldStateCounts(pool, 1);
        expect(await check()).toBe(true);
      } finally {
        for (const client of clients) {
          await client.query('rollback');
          client.release(true);
        }
      }
    }),
    times(30),
  );
  expect(checked).toBeGreaterThan(0);
});

/** Performs a step; a statement that would wait for another connection fails with its transaction. */
async function perform(each: Step, clients: readonly PoolClient[]): Promise<void> {
  if (each === 'fold') return foldStateCounts(pool, 1);
  if (each === 'maintain') return maintain().catch(() => undefined);
  await clients[each.client]?.query(each.sql).catch(() => undefined);
}

/** False while a TRUNCATE is open: its lock blocks every reader. */
async function isReadable(): Promise<boolean> {
  const { rows } = await pool.query("select from pg_locks where mode = 'AccessExclusiveLock' and granted");
  return rows.length === 0;
}
