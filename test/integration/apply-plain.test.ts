/**
 * Main applies plain transactions in bulk and all others one by one; a batch that contains poison is applied one by one. Both
 * paths must give every other transaction the same result. Each random history runs through both paths, on rows of its own.
 */
import { randomUUID } from 'node:crypto';
import { fc, times } from '../support/property.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { builder, finish, start } from '../support/made-transactions.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';

let main: TestMain;

beforeAll(async () => {
  main = await startTestMain();
});
afterAll(() => main.stop());

const firstStamp = 1_900_000_000_000_000;
/** The stamp of a change by others, in the middle of the actions. */
const changed = firstStamp + 10_000;

const rowsBefore = {
  nothing: undefined,
  running: { status: 'running', stamps: {} },
  ended: { status: 'completed', stamps: {} },
  'running, changed by others': { status: 'running', stamps: { status: changed } },
  'with a newer key': { status: 'running', stamps: { 'metadata.b': changed } },
  deleted: 'deleted',
} as const;

const ofUnit = (id: string, stamp: number, table: 'raw_data_package' | 'raw_data_file') => {
  const made = builder(id, stamp);
  made.create(table, { name: `n${stamp}`, executed_obs_unit_id: id });
  return made.build();
};
const actions = {
  start: (id: string, stamp: number) => start(id, { stamp }),
  'start without a time': (id: string, stamp: number) => start(id, { stamp, startTime: null }),
  'start with other values': (id: string, stamp: number) => start(id, { stamp, metadata: { a: 2 } }),
  'start of an unknown planned unit': (id: string, stamp: number) => start(id, { stamp, obsUnitId: 4999 }),
  finish: (id: string, stamp: number) => finish(id, 'completed', stamp),
  'other finish': (id: string, stamp: number) =>
    finish(id, 'aborted', stamp, { end_time: null, metadata: { a: 3 } }),
  'change of metadata': (id: string, stamp: number) =>
    builder(id, stamp)
      .update('executed_obs_unit', id, { metadata: { b: stamp, c: 1 } })
      .build(),
  package: (id: string, stamp: number) => ofUnit(id, stamp, 'raw_data_package'),
  file: (id: string, stamp: number) => ofUnit(id, stamp, 'raw_data_file'),
  'change and file': (id: string, stamp: number) => {
    const made = builder(id, stamp).update('executed_obs_unit', id, { metadata: { d: stamp } });
    made.create('raw_data_file', { name: `n${stamp}`, executed_obs_unit_id: id });
    return made.build();
  },
} as const satisfies Record<string, (id: string, stamp: number) => Transaction>;

const keysOf = <K extends string>(record: Readonly<Record<K, unknown>>) => Object.keys(record) as K[];
const history = fc.record({
  before: fc.constantFrom(...keysOf(rowsBefore)),
  /** whether parked transactions are made to wait for a decision between the two calls */
  isHeld: fc.boolean(),
  acts: fc.array(
    fc.record({
      action: fc.constantFrom(...keysOf(actions)),
      /** position in the order of stamps */
      at: fc.nat(20),
      /** whether it is the preceding request of its record under the id of another release */
      isRepeat: fc.boolean(),
      call: fc.constantFrom('first', 'second'),
    }),
    { maxLength: 3 },
  ),
});
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

interface Run {
  readonly first: readonly Transaction[];
  readonly second: readonly Transaction[];
  /** aggregates whose parked transactions wait for a decision */
  readonly held: readonly string[];
  /** a name for each id, equal in both runs */
  readonly nameOf: ReadonlyMap<string, string>;
}

async function makeRun(histories: readonly History[]): Promise<Run> {
  const nameOf = new Map<string, string>();
  const calls: Record<'first' | 'second', Transaction[]> = { first: [], second: [] };
  const made: Transaction[] = [];
  const held: string[] = [];
  for (const [n, { before, acts, isHeld }] of histories.entries()) {
    const id = randomUUID();
    nameOf.set(id, `unit ${n}`);
    if (isHeld) held.push(id);
    await makeRow(id, rowsBefore[before]);
    for (const [k, { action, at, isRepeat, call }] of acts.entries()) {
      const last = made.findLast(({ aggregate }) => aggregate === id);
      const built = actions[action](id, firstStamp + at * 1000 + n * 10 + k);
      const next = { ...built, ...(last && isRepeat && { alias: last.id, steps: last.steps }) };
      calls[call].push(next);
      made.push(next);
      nameOf.set(next.id, `transaction ${n} ${k}`);
      for (const step of next.steps) {
        if (step.kind === 'create' && !nameOf.has(step.id)) nameOf.set(step.id, `made by ${n} ${k}`);
      }
    }
  }
  return { ...calls, held, nameOf };
}

async function makeRow(id: string, before: (typeof rowsBefore)[keyof typeof rowsBefore]): Promise<void> {
  if (before === 'deleted') {
    await main.pool.query("insert into tombstone values ('executed_obs_unit', $1, 1)", [id]);
  } else if (before) {
    await main.pool.query(
      `insert into executed_obs_unit (id, obs_unit_id, status, start_time, metadata, field_stamps)
        values ($1, 7, $2, '2026-10-01T00:00:00Z', '{"a": 1}', $3)`,
      [id, before.status, before.stamps],
    );
  }
}

/** Inbox and rows, without the times of the call. */
async function shownOf({ nameOf }: Run): Promise<unknown> {
  const without = "'{created_at,updated_at,recorded_at,changed_at}'::text[]";
  const { rows } = await main.pool.query<{ shown: unknown }>(
    `select (select jsonb_agg(to_jsonb(i) - ${without} order by stamp) from inbox i where aggregate_id = any ($1)) as inbox,
      (select jsonb_agg(to_jsonb(e) - ${without}) from executed_obs_unit e where id = any ($1)) as units,
      (select jsonb_agg(to_jsonb(p) - ${without}) from raw_data_package p where executed_obs_unit_id = any ($1)) as packages,
      (select jsonb_agg(to_jsonb(f) - ${without}) from raw_data_file f where executed_obs_unit_id = any ($1)) as files`,
    [[...nameOf.keys()]],
  );
  const named = JSON.stringify(rows[0]).replaceAll(/[0-9a-f-]{36}/g, (id) => nameOf.get(id) ?? id);
  const shown = JSON.parse(named) as Record<string, { id: string }[] | null>;
  for (const table of ['units', 'packages', 'files']) shown[table]?.sort((a, b) => (a.id < b.id ? -1 : 1));
  return shown;
}

const healthy = () => start(randomUUID());
/** A transaction that violates a constraint and fails every other one in its statement. */
const poison = () => start(randomUUID(), { status: 'odd' });

async function apply({ first, second, held }: Run, others: () => readonly Transaction[]): Promise<void> {
  await applyTransactions(main.pool, [...others(), ...first], 900);
  await main.pool.query(
    `update inbox set parked_for = 'failed', waits_for = 'retry' where aggregate_id = any ($1) and outcome = 'parked'`,
    [held],
  );
  await applyTransactions(main.pool, [...others(), ...second], 900);
}

it('apply_transactions gives the same result in bulk and one by one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(history, { minLength: 12, maxLength: 24 }), async (histories) => {
      const [short, long] = [await makeRun(histories), await makeRun(histories)];
      await apply(short, () => [healthy()]);
      await apply(long, () => [healthy(), poison()]);
      expect(await shownOf(short)).toEqual(await shownOf(long));
    }),
    times(60),
  );
});

it('apply_transactions in bulk leaves transactions that wait for a decision', async () => {
  const ids = Array.from({ length: 3 }, () => randomUUID());
  const late = ids.map((id) => finish(id));
  await applyTransactions(main.pool, late, 900);
  await main.pool.query(
    "update inbox set parked_for = 'failed', waits_for = 'retry' where aggregate_id = any ($1)",
    [ids],
  );
  const { rows } = await applyTransactions(
    main.pool,
    ids.map((id) => start(id)),
    900,
  );
  const outcomeOf = (id: string) => rows.find((row) => row.id === id)?.outcome ?? 'untouched';
  expect(new Set(late.map(({ id }) => outcomeOf(id)))).toEqual(new Set(['untouched']));
});

it('apply_transactions reports bulk successes as evidence that main works', async () => {
  const { succeeded } = await applyTransactions(main.pool, [healthy(), healthy()], 900);
  expect(succeeded).toEqual(['create executed_obs_unit']);
});
