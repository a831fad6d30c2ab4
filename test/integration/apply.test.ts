import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import type { InboxRow } from '../../lib/postgres/inbox.ts';
import { readTransaction, type Transaction } from '../../lib/transaction/transaction.ts';
import { builder, finish, nextStamp, start } from '../support/made-transactions.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';

let main: TestMain;

beforeAll(async () => {
  main = await startTestMain();
});
afterAll(() => main.stop());

const apply = async (...batch: Transaction[]) => (await applyTransactions(main.pool, batch, 900)).rows;
const outcomeOf = (rows: readonly InboxRow[], { id }: Transaction) => {
  const row = rows.find((each) => each.id === id);
  return row && [row.outcome, row.parkedFor].filter(Boolean).join(' ');
};
const unit = async (id: string) =>
  (await main.pool.query<Record<string, unknown>>('select * from executed_obs_unit where id = $1', [id]))
    .rows[0];

describe('apply_transactions', () => {
  it('applies a start and its finish, and returns an LSN at or after their commit', async () => {
    const id = randomUUID();
    const { rows, lsn } = await applyTransactions(main.pool, [start(id), finish(id)], 900);
    expect(rows.map((row) => row.outcome)).toEqual(['applied', 'applied']);
    expect(await unit(id)).toMatchObject({ status: 'completed', metadata: { a: 1, b: 2 } });
    const position = await main.pool.query<{ n: string }>("select pg_current_wal_lsn() - '0/0' as n");
    expect(lsn.value).toBeLessThanOrEqual(BigInt(position.rows[0]?.n ?? 0));
    expect(lsn.value).toBeGreaterThan(0n);
  });

  it('executes a transaction once, however often and in whatever batch it arrives', async () => {
    const id = randomUUID();
    const started = start(id);
    const ended = finish(id);
    await apply(started, started, ended);
    await main.pool.query("update executed_obs_unit set metadata = '{}' where id = $1", [id]);
    const rows = await apply(ended, started, ended);
    expect(outcomeOf(rows, started)).toBe('applied');
    expect(outcomeOf(rows, ended)).toBe('applied');
    expect(await unit(id)).toMatchObject({ metadata: {} });
  });

  it('executes a transaction once when several processors apply it concurrently', async () => {
    const ids = Array.from({ length: 20 }, () => randomUUID());
    const batch = ids.flatMap((id) => [start(id), finish(id)]);
    await Promise.all([apply(...batch), apply(...[...batch].reverse()), apply(...batch)]);
    const { rows } = await main.pool.query<{ attempts: number; outcome: string }>(
      'select attempts, outcome from inbox where aggregate_id = any ($1)',
      [ids],
    );
    expect(rows).toHaveLength(40);
    expect(new Set(rows.map((row) => `${row.outcome} ${row.attempts}`))).toEqual(new Set(['applied 1']));
  });

  it('parks a finish without its start and applies it when the start arrives', async () => {
    const id = randomUUID();
    const started = start(id);
    const ended = finish(id);
    expect(outcomeOf(await apply(ended), ended)).toBe('parked start');
    expect(await unit(id)).toBeUndefined();
    const rows = await apply(started);
    expect(outcomeOf(rows, started)).toBe('applied');
    expect(outcomeOf(rows, ended)).toBe('applied');
    expect(await unit(id)).toMatchObject({ status: 'completed' });
  });

  it('marks a parked finish as overdue after the wait limit, and still applies it when its start arrives', async () => {
    const id = randomUUID();
    const ended = finish(id);
    await apply(ended);
    const { rows } = await applyTransactions(main.pool, [], 0);
    expect(rows.find((row) => row.id === ended.id)).toMatchObject({ outcome: 'parked', overdue: true });
    expect(outcomeOf(await apply(start(id)), ended)).toBe('applied');
  });

  it('accepts a repeated finish and refuses a different one', async () => {
    const id = randomUUID();
    await apply(start(id), finish(id));
    const repeat = finish(id);
    const other = finish(id, 'aborted');
    const rows = await apply(repeat, other);
    expect(outcomeOf(rows, repeat)).toBe('applied');
    expect(outcomeOf(rows, other)).toBe('refused');
    expect(rows.find((row) => row.id === other.id)?.reason).toContain('already ended as completed');
    expect(await unit(id)).toMatchObject({ status: 'completed' });
  });

  it('parks a start whose planned unit is unknown, and later transactions of its aggregate behind it', async () => {
    const [poisoned, healthy] = [randomUUID(), randomUUID()];
    const poison = start(poisoned, { obsUnitId: 999_999 });
    const behind = finish(poisoned);
    const unaffected = start(healthy);
    const rows = await apply(poison, behind, unaffected);
    expect(outcomeOf(rows, poison)).toBe('parked start');
    expect(rows.find((row) => row.id === poison.id)).toMatchObject({
      waitsFor: 'obs_unit:999999',
      reason: 'planned unit 999999 is not known to main',
    });
    expect(outcomeOf(rows, behind)).toBe('parked behind');
    expect(outcomeOf(rows, unaffected)).toBe('applied');
  });

  it('orders rows with a stamp of their own by that stamp, in any order of arrival', async () => {
    const user = (id: string, own: number, active: boolean, recorded: number) => {
      const made = builder(id, recorded);
      const name = `put ${own}`;
      return made
        .put('ops_user', id, {
          ...{ principal: String(recorded).slice(-9), login: 'l', name, role: 'viewer', role_from: 'github' },
          ...{ active, last_login_at: null, stamp: own, created_at: '2026-10-01T00:00:00.000Z' },
        })
        .build();
    };
    const seen = async (id: string) =>
      (await main.pool.query('select name, active from ops_user where id = $1', [id])).rows[0] as unknown;
    for (const order of [
      [1, 2, 3],
      [1, 3, 2],
      [3, 1, 2],
      [2, 3, 1],
    ]) {
      const id = randomUUID();
      const from = nextStamp();
      for (const [n, own] of order.entries()) await apply(user(id, own, own !== 3, from + n));
      expect(await seen(id), String(order)).toEqual({ name: 'put 3', active: false });
    }
    // a change by plain SQL stays until a newer stamp changes the same column
    const id = randomUUID();
    const from = nextStamp();
    await apply(user(id, 1, true, from));
    await main.pool.query('update ops_user set active = false where id = $1', [id]);
    await apply(user(id, 2, true, from + 1));
    expect(await seen(id)).toEqual({ name: 'put 2', active: false });
  });

  it('replaces characters that jsonb refuses instead of failing the batch', async () => {
    const [odd, healthy] = [randomUUID(), randomUUID()];
    const made = builder(odd);
    const metadata = { half: '\ud800', nul: '\u0000', 'key \udfff': 1 };
    const values = { obs_unit_id: 7, status: 'running', start_time: '2026-10-01T00:00:00.000Z', metadata };
    made.create('executed_obs_unit', values, odd);
    const rows = await apply(made.build(), start(healthy));
    expect(rows.map(({ outcome }) => outcome)).toEqual(['applied', 'applied']);
    expect((await unit(odd))?.metadata).toEqual({ half: '\ufffd', nul: '\ufffd', 'key \ufffd': 1 });
  });

  it('parks unforeseen poison alone, however much of it a batch contains', async () => {
    const healthy = Array.from({ length: 300 }, () => start(randomUUID()));
    const poison = Array.from({ length: 30 }, () => {
      const id = randomUUID();
      const made = builder(id);
      made.create(
        'executed_obs_unit',
        { obs_unit_id: 7, status: 'no such status', start_time: '2026-10-01T00:00:00Z' },
        id,
      );
      return made.build();
    });
    const mixed = healthy.flatMap((each, index) =>
      poison[index / 10] ? [each, poison[index / 10] ?? each] : [each],
    );
    const rows = await apply(...mixed);
    expect(new Set(healthy.map((each) => outcomeOf(rows, each)))).toEqual(new Set(['applied']));
    expect(new Set(poison.map((each) => outcomeOf(rows, each)))).toEqual(new Set(['parked failed']));
    expect(rows.find((row) => row.id === poison[0]?.id)?.reason).toContain('23514');
  });

  it('lets the newer update win per field, in any order of arrival', async () => {
    const id = randomUUID();
    await apply(start(id));
    const older = builder(id)
      .update('executed_obs_unit', id, { metadata: { a: 'older', x: 'older' }, instrument_module_ids: [1] })
      .build();
    const newer = builder(id)
      .update('executed_obs_unit', id, { metadata: { a: 'newer' }, instrument_module_ids: [2] })
      .build();
    await apply(newer);
    await apply(older);
    expect(await unit(id)).toMatchObject({
      metadata: { a: 'newer', x: 'older' },
      instrument_module_ids: [2],
    });
  });

  it('keeps a later change by plain SQL over an older buffered update', async () => {
    const id = randomUUID();
    const made = start(id, { stamp: 1_700_000_000_000_000 });
    const old = builder(id, 1_700_000_000_000_001)
      .update('executed_obs_unit', id, { status: 'aborted', metadata: { note: 'old' } })
      .build();
    await apply(made);
    await main.pool.query("update executed_obs_unit set status = 'failed' where id = $1", [id]);
    await apply(old);
    expect(await unit(id)).toMatchObject({ status: 'failed', metadata: { note: 'old' } });
  });

  it('keeps a deleted record deleted', async () => {
    const id = randomUUID();
    const started = start(id);
    await apply(builder(id).delete('executed_obs_unit', id).build());
    const ended = finish(id);
    const rows = await apply(started, ended);
    expect(outcomeOf(rows, started)).toBe('refused');
    expect(outcomeOf(rows, ended)).toBe('refused');
    expect(await unit(id)).toBeUndefined();
  });

  it('refuses a transaction for a record that was deleted by plain SQL', async () => {
    const id = randomUUID();
    await apply(start(id));
    await main.pool.query('delete from executed_obs_unit where id = $1', [id]);
    const ended = finish(id);
    const rows = await apply(ended);
    expect(outcomeOf(rows, ended)).toBe('refused');
    expect(rows.find((each) => each.id === ended.id)?.reason).toBe(`executed_obs_unit ${id} was deleted`);
  });

  it('retries and discards parked transactions, and audits the decisions', async () => {
    const id = randomUUID();
    const poison = start(id, { status: 'no such status' });
    const behind = finish(id);
    await apply(poison, behind);
    const retry = builder(id).retry(poison.id).build();
    expect(outcomeOf(await apply(retry), poison)).toBe('parked failed');
    await main.pool.query('alter table executed_obs_unit drop constraint executed_obs_unit_status_check');
    const again = builder(id).retry(poison.id).build();
    const rows = await apply(again);
    expect(outcomeOf(rows, poison)).toBe('applied');
    expect(outcomeOf(rows, behind)).toBe('refused');
    await main.pool.query(
      `delete from executed_obs_unit where id = '${id}';
      alter table executed_obs_unit add constraint executed_obs_unit_status_check
        check (status in ('running', 'completed', 'aborted', 'failed'))`,
    );

    const lost = randomUUID();
    const alone = finish(lost);
    await apply(alone);
    const discard = builder(lost).discard(alone.id, 'never started').build();
    expect(outcomeOf(await apply(discard), alone)).toBe('discarded');
    const audit = await main.pool.query(
      'select action, principal, reason from transaction_audit where transaction_id = $1',
      [alone.id],
    );
    expect(audit.rows).toEqual([{ action: 'discard', principal: '1', reason: 'never started' }]);
  });

  it('applies an observation with its package and files in one transaction', async () => {
    const id = randomUUID();
    const made = builder(id);
    made.create(
      'executed_obs_unit',
      { obs_unit_id: 7, status: 'running', start_time: '2026-10-01T00:00:00Z' },
      id,
    );
    const pack = made.create('raw_data_package', { executed_obs_unit_id: id, name: 'package' });
    const files = made.bulkCreate('raw_data_file', [
      { executed_obs_unit_id: id, raw_data_package_id: pack, name: 'a' },
      { executed_obs_unit_id: id, raw_data_package_id: pack, name: 'b' },
    ]);
    await apply(made.build());
    const { rows } = await main.pool.query(
      'select id from raw_data_file where raw_data_package_id = $1 order by name',
      [pack],
    );
    expect(rows.map((row: { id: string }) => row.id)).toEqual(files);
  });

  it('executes a transaction that the first release stored', async () => {
    const id = randomUUID();
    const stored = JSON.parse(`{
      "version": 1, "id": "${randomUUID()}", "stamp": 1790000000000000, "aggregate": "${id}", "principal": "1",
      "operation": "startExecutedObsUnit",
      "steps": [{"kind": "create", "table": "executed_obs_unit", "id": "${id}",
        "values": {"obs_unit_id": 7, "status": "running", "start_time": "2026-10-01T00:00:00.000Z", "end_time": null,
          "instrument_module_ids": [1, 2], "metadata": {"patch": "Jupiter"}}}]
    }`) as unknown;
    // a column of a later release gets its default
    await main.pool.query("alter table executed_obs_unit add column if not exists later text default 'new'");
    await apply(readTransaction(stored));
    expect(await unit(id)).toMatchObject({
      instrument_module_ids: [1, 2],
      metadata: { patch: 'Jupiter' },
      later: 'new',
    });
  });

  it('writes changes by others to the outbox, and none of its own', async () => {
    const id = randomUUID();
    await apply(start(id));
    const count = async () =>
      (await main.pool.query('select from change_outbox where row_id = $1', [id])).rowCount;
    expect(await count()).toBe(0);
    await main.pool.query("update executed_obs_unit set status = 'failed' where id = $1", [id]);
    expect(await count()).toBe(1);
  });
});
