import { fc, times } from '../support/property.ts';
import { expect, it } from 'vitest';
import {
  failuresBeforeSetAside,
  halve,
  type Attempt,
  type Halved,
  type Result,
  type Suspect,
} from '../../functions/process/halving.ts';
import type { FailureSubject } from '../../lib/transaction/failure.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import { shapeOf, type Transaction } from '../../lib/transaction/transaction.ts';

interface Kind {
  /** undefined if the transaction can be applied */
  readonly subject?: FailureSubject;
  readonly signature: string;
}
const kinds = {
  good: { signature: '' },
  slow: { subject: 'work', signature: '57014' },
  poison: { subject: 'transaction', signature: '22003' },
  foreign: { subject: 'deployment', signature: 'P0001' },
  locked: { subject: 'lock', signature: '55P03' },
} as const satisfies Record<string, Kind>;

interface Item {
  readonly kind: keyof typeof kinds;
  readonly aggregate: number;
}

/** Main as halving sees it: a call fails if it contains a failing transaction that is not behind one already set aside. */
class FakeMain {
  readonly outcomes = new Map<string, 'applied' | 'aside' | 'behind'>();
  calls = 0;
  isSound = true;
  readonly #kinds = new Map<string, Kind>();
  readonly #blocked = new Set<string>();
  readonly #order: string[] = [];

  add(items: readonly Item[]): Transaction[] {
    return items.map(({ kind, aggregate }, index) => {
      const id = derivedUuid('transaction', String(this.#kinds.size));
      this.#kinds.set(id, kinds[kind]);
      const record = derivedUuid('aggregate', String(aggregate));
      return {
        ...{ version: 1, id, stamp: 1000 + index, aggregate: record, principal: '1', operation: 'test' },
        steps: [{ kind: 'create', table: 'executed_obs_unit', id: record, values: {} }],
      };
    });
  }

  attempt(attempt: Attempt): Result {
    this.calls += 1;
    if (!this.isSound) return { kind: 'failed', reason: 'no', subject: 'deployment', signature: '42883' };
    if (attempt.kind === 'set aside') {
      this.outcomes.set(attempt.transaction.id, 'aside');
      this.#blocked.add(attempt.transaction.aggregate);
      return this.#done([attempt.transaction], []);
    }
    const transactions = attempt.kind === 'apply' ? attempt.transactions : [];
    const failing = transactions.find(
      ({ id, aggregate }) => this.#kinds.get(id)?.subject !== undefined && !this.#blocked.has(aggregate),
    );
    if (failing) {
      const { subject = 'work', signature = '' } = this.#kinds.get(failing.id) ?? {};
      return { kind: 'failed', reason: signature, subject, signature };
    }
    for (const { id, aggregate } of transactions) {
      this.#order.push(id);
      this.outcomes.set(id, this.#blocked.has(aggregate) ? 'behind' : 'applied');
    }
    const applied = transactions.filter(({ aggregate }) => !this.#blocked.has(aggregate));
    return this.#done(transactions, applied.map(shapeOf));
  }

  #done(recorded: readonly Transaction[], succeeded: string[]): Result {
    const ids = new Set(recorded.map(({ id }) => id));
    return { kind: 'done', recorded: ids, succeeded, faulted: [], isPartial: false };
  }

  get order(): readonly string[] {
    return this.#order;
  }
}

function run(main: FakeMain, batch: readonly Transaction[], known: ReadonlyMap<string, Suspect>): Halved {
  const plan = halve(batch, known);
  let step = plan.next();
  while (!step.done) step = plan.next(main.attempt(step.value));
  return step.value;
}

/** Runs until every transaction has an outcome, at most `runs` times. @param isBusy adds a valid transaction to each run */
function runAll(main: FakeMain, batch: readonly Transaction[], runs: number, isBusy = false) {
  const known = new Map<string, Suspect>();
  const all: Halved[] = [];
  for (let n = 0; n < runs; n += 1) {
    const open = batch.filter(({ id }) => !main.outcomes.has(id));
    if (open.length === 0) break;
    const traffic = isBusy ? main.add([{ kind: 'good', aggregate: 1000 + n }]) : [];
    const halved = run(main, [...open, ...traffic], known);
    for (const [id, suspect] of halved.suspects) {
      if (suspect) known.set(id, suspect);
      else known.delete(id);
    }
    all.push(halved);
  }
  return { known, all };
}

const items = fc.array(
  fc.record({
    kind: fc.oneof(
      { weight: 8, arbitrary: fc.constant('good' as const) },
      { weight: 1, arbitrary: fc.constantFrom('slow' as const, 'poison' as const, 'foreign' as const) },
      { weight: 1, arbitrary: fc.constant('locked' as const) },
    ),
    aggregate: fc.nat(40),
  }),
  { minLength: 1, maxLength: 120 },
);

it('halving applies every valid transaction of any batch in a bounded number of calls', () => {
  fc.assert(
    fc.property(items, (mixture) => {
      const main = new FakeMain();
      const batch = main.add([...mixture, { kind: 'good', aggregate: 99 }]);
      const bad = mixture.filter(({ kind }) => kind !== 'good').length;
      const runs = 6 + 4 * bad;
      runAll(main, batch, runs, true);
      const first = new Map<number, Item['kind']>();
      mixture.forEach((item, index) => {
        const outcome = main.outcomes.get(batch[index]?.id ?? '');
        const before = first.get(item.aggregate);
        if (item.kind !== 'good' && before === undefined) first.set(item.aggregate, item.kind);
        if (before === undefined && item.kind === 'good') expect(outcome).toBe('applied');
        // behind one that was set aside, later transactions are recorded too; behind one that was not, they stay pending
        else if (before === 'slow' || before === 'poison') expect(outcome).toBe('behind');
        else if (before !== undefined) expect(outcome).toBeUndefined();
        else if (item.kind === 'slow' || item.kind === 'poison') expect(outcome).toBe('aside');
        else expect(outcome).toBeUndefined();
      });
      const levels = Math.ceil(Math.log2(batch.length)) + 1;
      expect(main.calls).toBeLessThanOrEqual(runs * 2 + bad * (2 * levels + 8) + bad * runs);
      // an aggregate is applied in the order of its stamps
      for (const { aggregate } of batch) {
        const inOrder = batch.filter((each) => each.aggregate === aggregate).map(({ id }) => id);
        const seen = main.order.filter((id) => inOrder.includes(id));
        expect(seen).toEqual(inOrder.filter((id) => seen.includes(id)));
      }
    }),
    times(300),
  );
});

it('halving sets nothing aside while several aggregates fail alike without a success, and stops early', () => {
  const main = new FakeMain();
  const batch = main.add(Array.from({ length: 200 }, (_, n) => ({ kind: 'poison' as const, aggregate: n })));
  const { all } = runAll(main, batch, 10);
  expect(main.outcomes.size).toBe(0);
  expect(all.every(({ faults }) => faults.length > 0)).toBe(true);
  expect(main.calls).toBeLessThan(80);
  // once a similar transaction succeeds, the failures count against their transactions
  const later = main.add([{ kind: 'good', aggregate: 1000 }]);
  const suspects = new Map<string, Suspect>();
  for (let n = 0; n < failuresBeforeSetAside; n += 1) {
    const open = [
      ...batch.slice(0, 3),
      ...(n === 0 ? later : main.add([{ kind: 'good', aggregate: 2000 + n }])),
    ];
    for (const [id, each] of run(main, open, suspects).suspects) if (each) suspects.set(id, each);
  }
  expect([...main.outcomes.values()].filter((outcome) => outcome === 'aside')).toHaveLength(3);
});

it('halving counts no failure before another call has succeeded', () => {
  const main = new FakeMain();
  main.isSound = false;
  const batch = main.add([{ kind: 'slow', aggregate: 1 }]);
  const { known, all } = runAll(main, batch, 5);
  expect([known.size, all[0]?.stopped]).toEqual([0, 'main faulty']);
  main.isSound = true;
  runAll(main, batch, 2);
  expect(main.outcomes.size).toBe(0);
});

it('halving never counts a lock timeout as a failure', () => {
  const main = new FakeMain();
  const batch = main.add([{ kind: 'locked', aggregate: 1 }]);
  const { known } = runAll(main, batch, 20);
  expect([...known.values()]).toMatchObject([{ failures: 0, tries: 20 }]);
  expect(main.outcomes.size).toBe(0);
});

it('halving tries suspects last, one at a time', () => {
  const main = new FakeMain();
  const batch = main.add([
    { kind: 'slow', aggregate: 1 },
    { kind: 'good', aggregate: 2 },
  ]);
  const { suspects } = run(main, batch, new Map());
  const known = new Map([...suspects].flatMap(([id, each]) => (each ? [[id, each] as const] : [])));
  const next = main.add([{ kind: 'good', aggregate: 3 }]);
  const attempts: Attempt[] = [];
  const plan = halve([...batch.slice(0, 1), ...next], known);
  for (let step = plan.next(); !step.done; step = plan.next(main.attempt(step.value)))
    attempts.push(step.value);
  expect(
    attempts.map((each) => (each.kind === 'apply' ? each.transactions.map(({ id }) => id) : each.kind)),
  ).toEqual([next.map(({ id }) => id), [batch[0]?.id]]);
});

it('halving stops when main becomes unreachable or its time is up', () => {
  const main = new FakeMain();
  const batch = main.add([{ kind: 'good', aggregate: 1 }]);
  for (const [result, stopped] of [
    [{ kind: 'failed', subject: 'connection', signature: '', reason: '' }, 'main unreachable'],
    [{ kind: 'out of time' }, 'out of time'],
  ] as const) {
    const plan = halve(batch, new Map());
    plan.next();
    expect(plan.next(result).value).toMatchObject({ stopped });
  }
});

it('halving applies a decision although a transaction before it in its aggregate fails', () => {
  const main = new FakeMain();
  const [failing, later, decision] = main.add([
    { kind: 'foreign', aggregate: 1 },
    { kind: 'good', aggregate: 1 },
    { kind: 'good', aggregate: 1 },
  ]);
  if (!failing || !later || !decision) throw new Error('unreachable');
  const discard: Transaction = {
    ...decision,
    steps: [{ kind: 'discard', transaction: failing.id, reason: 'it keeps others' }],
  };
  const { recorded, suspects } = run(main, [failing, later, discard], new Map());
  expect(recorded).toEqual(new Set([discard.id]));
  const again = new FakeMain();
  again.add([{ kind: 'foreign', aggregate: 1 }]);
  const known = new Map([...suspects].flatMap(([id, suspect]) => (suspect ? [[id, suspect]] : [])));
  const attempts: string[][] = [];
  const plan = halve([failing, later, discard], known);
  for (let step = plan.next(); !step.done;) {
    if (step.value.kind === 'apply') attempts.push(step.value.transactions.map(({ id }) => id));
    step = plan.next(again.attempt(step.value));
  }
  expect(attempts[0]).toEqual([discard.id]);
});
