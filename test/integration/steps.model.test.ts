/**
 * A step has three interpreters: the judge in Redis, the SQL functions at main, and the merge of reads. On random histories of
 * random tables, in one aggregate or in two that some transactions change together, the merge must produce the rows that main
 * produces, and the judge must agree with main about each transaction.
 */
import { randomUUID } from 'node:crypto';
import { fc, times } from '../support/property.ts';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { accept, type AcceptVerdict } from '../../lib/buffer/accept.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { readInboxRow } from '../../lib/postgres/inbox.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { merge, type Merged, type Row } from '../../lib/smart-query/merge.ts';
import type { Step } from '../../lib/table/step.ts';
import { tables, type BufferedTable } from '../../lib/table/tables.ts';
import { aggregatesOf } from '../../lib/transaction/aggregates.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { parseInstant } from '../../lib/values/instant.ts';
import type { Json } from '../../lib/values/json.ts';
import { nextStamp } from '../support/made-transactions.ts';
import {
  addModelTables,
  createModelTables,
  modelTables,
  modelValues,
  unitValues,
} from '../support/model-tables.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

addModelTables();

let main: TestMain;
let redis: TestRedis;
const keys = keysOf('ops');

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  await createModelTables(main.pool);
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));
beforeEach(() => redis.client.flushall());

const together = 20;
/** A thousand histories of each property. */

type Values = Readonly<Record<string, Json>>;

/** One action of a transaction on one of the rows. */
interface Act {
  readonly kind: 'create' | 'put' | 'update' | 'guarded' | 'corrected' | 'again' | 'delete';
  readonly row: number;
  /** some of the columns */
  readonly values: Values;
  /** all columns, for a new row */
  readonly whole: Values;
  readonly expected: string;
  readonly given: readonly string[];
}

interface Placed {
  readonly acts: readonly Act[];
  /** its place in the order of stamps, by the clock of the instance that accepted it */
  readonly at: number;
  /** the call in which main executes it; 2 means that it is still buffered */
  readonly call: number;
}

interface History {
  readonly table: BufferedTable;
  /** two rows, each with an aggregate of its own */
  readonly isPair: boolean;
  /** what creates the second row of a pair changes the first one */
  readonly joins: Values | undefined;
  readonly made: readonly { readonly at: number; readonly call: number; readonly whole: Values }[];
  readonly placed: readonly Placed[];
}

const isUnit = (table: BufferedTable) => table === 'executed_obs_unit';
const stateOf = (table: BufferedTable) => (isUnit(table) ? 'status' : 'state');
const isSelf = (table: BufferedTable) => tables[table].aggregate === 'self';

function historyOf([table, isPair]: readonly [BufferedTable, boolean]): fc.Arbitrary<History> {
  const columns: Readonly<Record<string, fc.Arbitrary<Json>>> = isUnit(table) ? unitValues : modelValues;
  const state = stateOf(table);
  const whole = fc.record(columns) as fc.Arbitrary<Values>;
  const act: fc.Arbitrary<Act> = fc.record({
    kind: fc.constantFrom(
      ...(['update', 'update', 'update', 'guarded', 'guarded', 'guarded', 'again', 'corrected'] as const),
      // each row of a pair is created once, and only tables of the site itself have puts
      ...(isPair ? (['delete'] as const) : (['create', 'put', 'delete'] as const)),
    ),
    row: isSelf(table) && !isPair ? fc.constant(0) : fc.nat(1),
    values: fc.record(columns, { requiredKeys: [] }) as fc.Arbitrary<Values>,
    whole,
    expected: columns[state] as fc.Arbitrary<string>,
    given: fc.subarray(Object.keys(columns)),
  });
  const call = fc.nat(2);
  return fc.record({
    table: fc.constant(table),
    isPair: fc.constant(isPair),
    joins: fc.option(fc.record(columns, { requiredKeys: [] }) as fc.Arbitrary<Values>, { nil: undefined }),
    made: fc.array(fc.record({ at: fc.nat(50), call, whole }), { minLength: 2, maxLength: 2 }),
    placed: fc.array(
      fc.record({ acts: fc.array(act, { minLength: 1, maxLength: 2 }), at: fc.nat(50), call }),
      { minLength: 1, maxLength: 8 },
    ),
  });
}

const history = fc
  .tuple(
    fc.constantFrom<BufferedTable>('executed_obs_unit', 'executed_obs_unit', ...modelTables),
    fc.boolean(),
  )
  .chain(historyOf);

/** The columns that a row needs beyond those that clients write. */
const fixed = (table: BufferedTable): Values =>
  isUnit(table) ? { obs_unit_id: 7, start_time: '2026-10-01T00:00:00.000Z' } : {};

function stepOf(table: BufferedTable, id: string, act: Act, before: readonly Step[]): Step {
  const { values, whole, expected, given } = act;
  switch (act.kind) {
    case 'create':
      return { kind: 'create', table, id, values: { ...fixed(table), ...whole } };
    case 'put':
      return { kind: 'put', table, id, values: { ...fixed(table), ...whole } };
    case 'delete':
      return { kind: 'delete', table, id };
    case 'update':
      return { kind: 'update', table, id, values };
    case 'corrected':
      return { kind: 'update', table, id, values, corrects: true };
    case 'guarded': {
      // main fills in a missing end time
      const ended = isUnit(table) && { end_time: values.end_time ?? '2026-10-01T04:00:00.000Z' };
      const changed = { ...values, ...ended, [stateOf(table)]: whole[stateOf(table)] ?? expected };
      return {
        ...{ kind: 'update', table, id, values: changed, only_if: { [stateOf(table)]: expected } },
        given: [stateOf(table), ...given.filter((column) => column in values)],
      };
    }
    case 'again': {
      const same = before.findLast((step) => step.kind === 'update' && step.id === id && step.only_if);
      return same ?? { kind: 'update', table, id, values };
    }
  }
}

const heading = ({ isPair, aggregate }: Run, steps: readonly Step[], stamp: number) => {
  const [first = aggregate, ...others] = isPair
    ? [...new Set(steps.flatMap((step) => ('id' in step ? step.id : [])))].sort()
    : [aggregate];
  return {
    ...({ version: 1, id: randomUUID(), stamp, principal: '1', operation: 'test' } as const),
    ...{ aggregate: first, steps: [...steps] },
    ...(others.length > 0 && { aggregates: [first, ...others] }),
  };
};

/** `order` is that of the requests: stamps come from clocks that differ. */
function transactionsOf(run: Run, from: number) {
  const { table, isPair, joins, made, placed, ids } = run;
  const hasOwnRow = isSelf(table) || isPair;
  const hasPut = placed.some(({ acts }) => acts.some(({ kind }) => kind === 'put'));
  // rows with a parent are created before they are changed; the create of an aggregate's own row may come later
  const firsts = ids.map((id, index) => {
    const { at = 0, call = 0, whole = {} } = made[index] ?? {};
    const [first = id] = ids;
    const steps: Step[] = [
      { kind: 'create', table, id, values: { ...fixed(table), ...whole } },
      ...(isPair && index === 1 && joins
        ? [{ kind: 'update' as const, table, id: first, values: joins }]
        : []),
    ];
    const stamp = hasOwnRow ? from + at : from - 2 + index;
    return {
      call,
      order: hasOwnRow && !hasPut ? call : index - 2,
      transaction: heading(run, steps, stamp),
    };
  });
  const before: Step[] = [];
  const others = placed.map(({ acts, at, call }) => {
    const steps = asOperationsDo(acts).map((act) => {
      const step = stepOf(table, ids[act.row] ?? '', act, before);
      before.push(step);
      return step;
    });
    return { call, order: call, transaction: heading(run, steps, from + at) };
  });
  return [...firsts, ...others];
}

/** Orders and limits actions as operations do: create before change, and no second change of the same row. */
function asOperationsDo(acts: readonly Act[]): Act[] {
  const [first, second] = acts.toSorted((a, b) => Number(b.kind === 'create') - Number(a.kind === 'create'));
  if (!first || !second) return [...acts];
  const isOfAnother = first.row !== second.row;
  const isOfNewRow = first.kind === 'create' && second.kind !== 'create';
  return isOfAnother || isOfNewRow ? [first, second] : [first];
}

interface Run extends History {
  readonly ids: readonly string[];
  readonly aggregate: string;
}

/** Histories that share their calls; each has an aggregate of its own. */
const runs: fc.Arbitrary<readonly Run[]> = fc
  .array(history, { minLength: together, maxLength: together })
  .map((histories) =>
    histories.map((drawn) => {
      const hasOneRow = isSelf(drawn.table) && !drawn.isPair;
      const ids = hasOneRow ? [randomUUID()] : [randomUUID(), randomUUID()];
      return { ...drawn, ids, aggregate: hasOneRow ? (ids[0] ?? '') : randomUUID() };
    }),
  );

it('merge produces the rows that main produces', async () => {
  await fc.assert(
    fc.asyncProperty(runs, async (drawn) => {
      const all = drawn.map((run) => ({ run, transactions: transactionsOf(run, nextStamp()) }));
      const inCall = (call: number) =>
        all.flatMap(({ transactions }) =>
          transactions.filter((each) => each.call === call).map((each) => each.transaction),
        );
      for (const call of [0, 1]) await applyTransactions(main.pool, inCall(call), 900);
      const seen = await Promise.all(drawn.map(look));
      await applyTransactions(main.pool, inCall(2), 900);
      const after = await Promise.all(drawn.map(look));
      for (const [index, { run, transactions }] of all.entries()) {
        const overlay = transactions
          .filter(({ call }) => call === 2)
          .map(({ transaction }) => buffered(transaction));
        const before = seen[index] ?? noRows;
        // the create of a row was refused: reads show what changes of the row would make of it
        if (hasUnmade(run, after[index] ?? noRows)) continue;
        const merged = merge({ ...before, rows: { [run.table]: before.rows } }, overlay);
        expectRows(run, merged, after[index]?.rows ?? [], JSON.stringify({ transactions, before }));
      }
    }),
    // the failure shows the difference: shrinking takes longer than reading it
    { ...times(50), endOnFailure: true },
  );
});

function hasUnmade(
  { ids }: Run,
  { rows, deleted }: Pick<Awaited<ReturnType<typeof look>>, 'rows' | 'deleted'>,
) {
  return ids.some((id) => !rows.some((row) => row.id === id) && !deleted.includes(id));
}

const noRows = { rows: [], deleted: [], inbox: [] };
const buffered = (transaction: Transaction) => ({
  ...{ transaction, state: 'buffered' as const, verified: true, refused: false },
});

function expectRows({ table, ids }: Run, merged: Merged, rows: readonly Row[], why = ''): void {
  for (const id of ids) {
    const row = rows.find((each) => each.id === id);
    expect(shapeOf(table, merged[table].get(id)?.values), why).toEqual(shapeOf(table, row));
  }
}

/** The verdict of Redis on each transaction, in the order of requests (not of `at`: clocks differ). */
async function judgeInRedis(transactions: readonly Transaction[], isFormer: boolean): Promise<Judged[]> {
  const judged: Judged[] = [];
  for (const transaction of transactions) {
    const verdict = await accept(
      { redis: redis.client, keys },
      {
        claimant: { kind: 'none', principalId: '1' },
        permission: '',
        ...{ transaction, patch: '{}', status: 200 },
        ...{ nowMilliseconds: 1, requestsPerSecond: 1e9, budgetBytes: 1e12 },
      },
    );
    // leave only the fields that the first release wrote
    if (isFormer)
      for (const each of aggregatesOf(transaction))
        await redis.client.hdel(keys.record(each), 'started_by', 'finished_by', 'end_at');
    // main also gets the transactions that Redis refused, after those accepted before them
    const isNear = isOfOneOf(aggregatesOf(transaction));
    const last = Math.max(
      0,
      ...judged
        .map((each) => each.transaction)
        .filter(isNear)
        .map(({ stamp }) => stamp),
    );
    const isTaken = 'stamp' in verdict && verdict.stamp !== undefined;
    const stamp = isTaken ? 20 * Number(verdict.stamp ?? 0) : last + 1;
    judged.push({ verdict, transaction: { ...transaction, stamp } });
  }
  return judged;
}

it('the judge in Redis agrees with main about every transaction', async () => {
  await fc.assert(
    fc.asyncProperty(runs, fc.boolean(), async (drawn, isFormer) => {
      const all = await Promise.all(
        drawn.map(async (run) => {
          const inOrder = transactionsOf(run, nextStamp() % 1e12).sort((a, b) => a.order - b.order);
          const requests = inOrder.map(({ transaction }) => transaction);
          return { run, judged: await judgeInRedis(requests, isFormer && isUnit(run.table)) };
        }),
      );
      // a refused one of two aggregates has no place in the order of both
      const batch = all
        .flatMap(({ judged }) => judged)
        .filter(({ transaction, verdict }) => 'accepted' in verdict || !transaction.aggregates)
        .map(({ transaction }) => transaction);
      const { rows: inbox } = await applyTransactions(main.pool, batch, 900);
      const outcomes = new Map(inbox.map(({ id, outcome }) => [id, outcome]));
      const after = await Promise.all(drawn.map(look));
      for (const [index, { run, judged }] of all.entries()) {
        // the site accepted a change of a row that it did not know, or created one again that it had forgotten as deleted: main
        // decides, and the site's knowledge may differ from then on
        const isMisled = judged.some(
          ({ transaction, verdict }, place) =>
            ('accepted' in verdict || 'repeated' in verdict) &&
            (verdict.status === 202 || (creates(transaction) && hasDeleted(judged.slice(0, place + 1)))),
        );
        if (isMisled) continue;
        for (const [place, each] of judged.entries()) {
          if (!outcomes.has(each.transaction.id)) continue;
          expectSame(each, judged.slice(0, place + 1), outcomes.get(each.transaction.id));
        }
        // refused and repeated transactions changed nothing; the others take effect in the order of requests
        const accepted = judged.filter(({ verdict }) => 'accepted' in verdict);
        const overlay = accepted.map(({ transaction }, stamp) =>
          buffered({ ...transaction, stamp: stamp + 1 }),
        );
        expectRows(
          run,
          merge({ ...noRows, rows: {} }, overlay),
          after[index]?.rows ?? [],
          JSON.stringify(judged),
        );
      }
    }),
    // the failure shows the difference: shrinking takes longer than reading it
    { ...times(50), endOnFailure: true },
  );
});

const isOfOneOf = (aggregates: readonly string[]) => (transaction: Transaction) =>
  aggregatesOf(transaction).some((each) => aggregates.includes(each));

interface Judged {
  readonly transaction: Transaction;
  readonly verdict: AcceptVerdict;
}

const creates = ({ steps }: Transaction) => steps.some(({ kind }) => kind === 'create');
const hasDeleted = (judged: readonly Judged[]) =>
  judged.some(({ transaction }) => transaction.steps.some(({ kind }) => kind === 'delete'));

function expectSame({ verdict }: Judged, upToNow: readonly Judged[], outcome: unknown): void {
  const steps = upToNow.map((each) => [each.transaction.steps, each.verdict]);
  const why = JSON.stringify({ steps, verdict, outcome });
  // main takes for a repeat also what the row happens to hold
  if ('refused' in verdict) expect(['refused', 'applied'], why).toContain(outcome);
  else if (verdict.repeated) expect(outcome, why).toBe('applied');
  else if (verdict.status === 200) expect(outcome, why).toBe('applied');
}

async function look({ table, isPair, ids, aggregate }: Run) {
  const { rows } = await main.pool.query<{ rows: Row[]; deleted: string[]; inbox: unknown[] }>(
    `select
      (select coalesce(jsonb_agg(to_jsonb(e)), '[]') from ${table} e where id = any ($1)) as rows,
      (select coalesce(jsonb_agg(id), '[]') from tombstone where id = any ($1)) as deleted,
      (select coalesce(jsonb_agg(to_jsonb(i)), '[]') from inbox i where aggregate_id = any ($2)) as inbox`,
    [ids, isPair ? ids : [aggregate]],
  );
  const [found] = rows;
  if (!found) throw new Error('unreachable');
  return { ...found, inbox: found.inbox.map(readInboxRow) };
}

/** Of each column that clients write. */
function shapeOf(table: BufferedTable, row: Readonly<Record<string, unknown>> | undefined) {
  if (!row) return undefined;
  const same = (value: unknown) =>
    typeof value === 'string' ? (parseInstant(value)?.instant ?? value) : value;
  const columns = Object.keys(isUnit(table) ? { ...unitValues, obs_unit_id: 0, start_time: 0 } : modelValues);
  return Object.fromEntries(columns.map((column) => [column, same(row[column])]));
}
