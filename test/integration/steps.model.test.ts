/**
 * Two interpreters of one vocabulary: what the merge lays over a replica's rows is what main makes of them. Random histories of
 * one record; main has executed some of it, in any order, and the rest is buffered.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { readInboxRow } from '../../lib/postgres/inbox.ts';
import { merge, type Row } from '../../lib/smart-query/merge.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { parseInstant } from '../../lib/values/instant.ts';
import { builder, nextStamp } from '../support/made-transactions.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';

let main: TestMain;

beforeAll(async () => {
  main = await startTestMain();
});
afterAll(() => main.stop());

const time = fc.integer({ min: 0, max: 3 }).map((n) => `2026-10-01T0${n}:00:00.000Z`);
const status = fc.constantFrom('running', 'completed', 'aborted');
const metadata = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof(fc.nat(3), fc.constant({ deep: 1 })));
const modules = fc.array(fc.nat(2), { maxLength: 2 });
const values = fc.record(
  { status, end_time: fc.option(time), metadata, instrument_module_ids: modules },
  { requiredKeys: [] },
);

const change = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('update' as const), values }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      values: fc.record({ status, end_time: time, metadata }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('again' as const), values }) },
);

type Change = (typeof change extends fc.Arbitrary<infer T> ? T : never) | { readonly kind: 'start' };

interface Placed {
  readonly what: Change;
  /** its place in the order of stamps */
  readonly at: number;
  /** in which call main executes it; 2: it is still buffered */
  readonly call: number;
}

const history: fc.Arbitrary<Placed[]> = fc.array(
  fc.record({ what: change, at: fc.nat(50), call: fc.nat(2) }),
  { minLength: 1, maxLength: 8 },
);

/** Of each column that clients write. */
const columns = [
  'obs_unit_id',
  'status',
  'start_time',
  'end_time',
  'instrument_module_ids',
  'metadata',
] as const;

function shapeOf(row: Readonly<Record<string, unknown>> | undefined) {
  if (!row) return undefined;
  const same = (value: unknown) =>
    typeof value === 'string' ? (parseInstant(value)?.instant ?? value) : value;
  return Object.fromEntries(columns.map((column) => [column, same(row[column])]));
}

function made(id: string, { what, at }: Placed, from: number): Transaction {
  const built = builder(id, from + at);
  const first = { obs_unit_id: 7, status: 'running', start_time: '2026-10-01T00:00:00.000Z', end_time: null };
  switch (what.kind) {
    case 'start':
      built.create(
        'executed_obs_unit',
        { ...first, instrument_module_ids: [1], metadata: { a: 'start' } },
        id,
      );
      break;
    case 'again':
      built.put('executed_obs_unit', id, {
        ...first,
        instrument_module_ids: [],
        metadata: {},
        ...what.values,
      });
      break;
    case 'delete':
      built.delete('executed_obs_unit', id);
      break;
    case 'finish':
      built.update('executed_obs_unit', id, what.values, {
        onlyIf: { status: 'running' },
        given: ['status'],
      });
      break;
    case 'update':
      built.update('executed_obs_unit', id, what.values);
  }
  return built.build();
}

it('the merge makes of a record what main makes of it', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (drawn) => {
      const id = randomUUID();
      const from = nextStamp();
      // one start; a row that is put comes back after it was deleted, which no operation does
      const isPut = drawn.some(({ what }) => what.kind === 'again');
      const placed: Placed[] = [
        { what: { kind: 'start' }, at: drawn[0]?.at ?? 0, call: drawn[0]?.call ?? 0 },
        ...drawn.filter(({ what }) => !(isPut && what.kind === 'delete')),
      ];
      const all = placed.map((each) => ({ call: each.call, transaction: made(id, each, from) }));
      const inCall = (call: number) =>
        all.filter((each) => each.call === call).map((each) => each.transaction);
      for (const call of [0, 1]) await applyTransactions(main.pool, inCall(call), 900);
      const seen = await look(id);
      const overlay = inCall(2).map((transaction) => ({
        transaction,
        state: 'buffered' as const,
        verified: true,
        refused: false,
      }));
      const merged = merge({ ...seen, rows: { executed_obs_unit: seen.rows } }, overlay);
      await applyTransactions(main.pool, inCall(2), 900);
      const [row] = (await look(id)).rows;
      expect(shapeOf(merged.executed_obs_unit.get(id)?.values)).toEqual(shapeOf(row));
    }),
    { numRuns: Number(process.env.MODEL_RUNS ?? 300) },
  );
});

async function look(id: string) {
  const { rows } = await main.pool.query<{ rows: Row[]; deleted: string[]; inbox: unknown[] }>(
    `select
      (select coalesce(jsonb_agg(to_jsonb(e)), '[]') from executed_obs_unit e where id = $1) as rows,
      (select coalesce(jsonb_agg(id), '[]') from tombstone where id = $1) as deleted,
      (select coalesce(jsonb_agg(to_jsonb(i)), '[]') from inbox i where aggregate_id = $1) as inbox`,
    [id],
  );
  const [found] = rows;
  if (!found) throw new Error('unreachable');
  return { ...found, inbox: found.inbox.map(readInboxRow) };
}
