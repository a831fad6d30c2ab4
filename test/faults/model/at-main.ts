/** Changes by other programs at main, and the check of main, buffer and lists once every transaction has an outcome. */
import { expect } from 'vitest';
import type pg from 'pg';
import { listTransactions } from '../../../lib/smart-query/set-aside.ts';
import { databaseInstant } from '../../../lib/values/database-instant.ts';
import { instantOfMilliseconds } from '../../../lib/values/instant.ts';
import type { Outcome } from '../../../lib/transaction/lifecycle.ts';
import type { Command } from './history.ts';
import type { Model, View } from './model.ts';
import type { System } from './system.ts';

const columns = ['obs_unit_id', 'start_time', 'status', 'end_time', 'metadata'] as const;

export class AtMain {
  readonly #main: pg.Pool;
  readonly #system: System;
  readonly #model: Model;

  constructor(main: pg.Pool, system: System, model: Model) {
    this.#main = main;
    this.#system = system;
    this.#model = model;
  }

  async empty(): Promise<void> {
    // not truncate: it would wait for the snapshots
    await this.#main.query(
      'delete from executed_obs_unit; delete from tombstone; delete from inbox; delete from unreadable_message',
    );
  }

  /** Changes a row, if it exists, as another program does. */
  async change({
    change: kind,
    unit: index,
    minute,
    obsUnitId,
  }: Extract<Command, { kind: 'sql' }>): Promise<void> {
    const units = kind === 'insert' ? this.#model.unstarted : this.#model.units;
    const unit =
      units[index] ?? (kind === 'insert' ? this.#system.newId() : units[index % Math.max(1, units.length)]);
    if (unit === undefined) return;
    const stamp = (this.#system.clock += 1000) * 1000;
    const start_time = times[minute] ?? instantOfMilliseconds(Date.UTC(2028, 0, 1, 0, minute));
    const values = {
      ...{ move: { obs_unit_id: obsUnitId, start_time }, fail: { status: 'failed' } },
      ...{
        run: { status: 'running', end_time: null },
        insert: { obs_unit_id: obsUnitId, start_time },
        delete: {},
      },
    }[kind] as Partial<View>;
    const applied = await this.#appliedOf(unit);
    // another program corrects itself: it had set the unit to aborted
    if (kind === 'run') await this.#main.query(statements.fail, [unit, 'aborted']);
    const { rowCount } = await this.#main.query(statements[kind], [unit, ...Object.values(values)]);
    if (rowCount !== 1) return;
    await this.#stampAt(unit, stamp);
    this.#model.change(unit, { kind, values, stamp }, applied);
  }

  async #appliedOf(unit: string): Promise<Set<string>> {
    const { rows } = await this.#main.query<{ id: string }>(
      "select transaction_id as id from inbox where aggregate_id = $1 and outcome = 'applied'",
      [unit],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** Replaces the field stamps that main took from its own clock by the time of the history. */
  async #stampAt(unit: string, stamp: number): Promise<void> {
    const client = await this.#main.connect();
    await client.query("begin; set local ops.processor = 'on'");
    await client.query(
      `update executed_obs_unit set field_stamps = (
         select coalesce(jsonb_object_agg(key, case when value::bigint < $2 then $3 else value::bigint end), '{}')
         from jsonb_each(field_stamps))
       where id = $1`,
      [unit, Date.UTC(2028, 0, 1) * 1000, stamp],
    );
    await client.query('commit');
    client.release();
  }

  async pending(): Promise<number> {
    const { redis, keys } = this.#system;
    return (await redis.zcard(keys.pending)) + (await redis.zcard(keys.inflight));
  }

  /** Checks the outcome of every transaction, the rows, the buffer and the lists. @param unreadable how many unreadable messages main keeps */
  async check(unreadable: number): Promise<void> {
    const { redis, keys } = this.#system;
    const left = await Promise.all(
      [keys.pending, keys.inflight, keys.committed, keys.overlaid].map((key) => redis.zcard(key)),
    );
    const { rows } = await this.#main.query<{ id: string; outcome: Outcome; operation: string }>(
      'select transaction_id as id, outcome, operation from inbox',
    );
    const outcomes = new Map(rows.map(({ id, outcome }) => [id, outcome]));
    expect([...left, await redis.scard(keys.overlaidUnknown)], 'nothing is buffered').toEqual([
      0, 0, 0, 0, 0,
    ]);
    this.#model.settle(outcomes);
    const wrong = [...this.#model.writes.values()].flatMap((write) => {
      const outcome = outcomes.get(write.id);
      return this.#isAllowed(write, outcome)
        ? []
        : [`${write.kind} ${write.id} is ${outcome ?? 'without an outcome'}`];
    });
    expect(wrong).toEqual([]);
    await this.#checkRows();
    await this.#checkLists(rows, unreadable);
  }

  /** `refused` and `parked` need a cause outside the transaction. A discarded transaction is `discarded`, or `applied` if that came first. */
  #isAllowed(
    { id, unit, kind }: { id: string; unit: string; kind: string },
    outcome: Outcome | undefined,
  ): boolean {
    const isDiscarded = this.#model.discarded.has(id);
    switch (outcome) {
      case undefined:
        return false;
      case 'applied':
        return true;
      case 'discarded':
        return isDiscarded;
      case 'refused':
        return !isDiscarded && (this.#model.isDeleted(unit) || this.#model.changesOf(unit).length > 0);
      case 'parked':
        return !isDiscarded && (kind === 'poison' || !this.#model.wasCreated(unit));
    }
  }

  async #checkRows(): Promise<void> {
    const { rows } = await this.#main.query<{ row: View & { readonly id: string } }>(
      'select to_jsonb(e) as row from executed_obs_unit e',
    );
    const found = rows
      .filter(({ row }) => !this.#model.isPoisoned(row.id))
      .map(({ row }) => [row.id, Object.fromEntries(columns.map((name) => [name, normalized(row[name])]))]);
    const expected = this.#model.units.flatMap((unit) => {
      const row = this.#model.rowOf(unit);
      return row ? [[unit, row]] : [];
    });
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  }

  /** Each transaction that is set aside and each unreadable message is listed once. */
  async #checkLists(rows: readonly { id: string; outcome: Outcome }[], unreadable: number): Promise<void> {
    const lists = [];
    for (const state of ['waiting', 'failed', 'buffered'] as const) {
      lists.push(...(await listTransactions(this.#system, state, 1000)).transactions);
    }
    const open = rows
      .filter(({ outcome }) => outcome === 'parked' || outcome === 'refused')
      .map(({ id }) => id);
    const listed = lists.map(({ transaction_id }) => transaction_id);
    expect(listed).toEqual(expect.arrayContaining(open));
    expect(listed.length, 'the lists hold each transaction set aside and each unreadable message once').toBe(
      open.length + unreadable,
    );
  }
}

/** Instants that the API refuses. */
const times: Readonly<Record<number, string>> = { 6: 'infinity', 7: '0044-03-15T12:00:00.000000Z BC' };

const statements = {
  move: 'update executed_obs_unit set obs_unit_id = $2, start_time = $3 where id = $1',
  fail: 'update executed_obs_unit set status = $2 where id = $1',
  run: 'update executed_obs_unit set status = $2, end_time = $3 where id = $1',
  delete: 'delete from executed_obs_unit where id = $1',
  insert: `insert into executed_obs_unit (id, obs_unit_id, start_time, status) values ($1, $2, $3, 'running')
    on conflict do nothing`,
} as const;

function normalized(value: unknown): unknown {
  return typeof value === 'string' ? (databaseInstant(value) ?? value) : value;
}
