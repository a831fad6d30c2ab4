/**
 * What is tried next when a call at main fails: a batch is halved down to the one transaction that fails alone. Pure: a
 * generator of attempts, which is given the result of each.
 *
 * - Halved by aggregate, then by stamp. What comes later in an aggregate is held until what came before it has an outcome.
 * - Suspects, which have failed alone before, are tried last and alone.
 * - Nothing holds a decision of a person: it may be about the very transaction that fails.
 * - A suspect that has failed alone often enough for a reason of its own is set aside. A failure counts only if another
 *   call has succeeded since the last one that counted; a wait for a lock never does.
 * - The same failure on several aggregates, without one success of the like, is a fault of main: nobody is set aside, and the
 *   others of that shape are not tried in this run.
 */
import type { FailureSubject } from '../../lib/transaction/failure.ts';
import { isDecision, shapeOf, type Transaction } from '../../lib/transaction/transaction.ts';

/** A transaction that has failed alone. */
export interface Suspect {
  readonly aggregate: string;
  /** that count */
  readonly failures: number;
  /** how often it has failed alone: those that failed least are tried first */
  readonly tries: number;
  readonly signature: string;
  readonly shape: string;
}

export type Attempt =
  | { readonly kind: 'apply'; readonly transactions: readonly Transaction[] }
  /** an empty call: whether main does what it should at all */
  | { readonly kind: 'control' }
  | { readonly kind: 'set aside'; readonly transaction: Transaction; readonly reason: string };

export type Result =
  | {
      readonly kind: 'done';
      readonly recorded: ReadonlySet<string>;
      /** shapes of which one was applied */
      readonly succeeded: readonly string[];
      /** aggregates of which something was left because main seems to be at fault */
      readonly faulted: readonly string[];
      /** the call has ended before its work did */
      readonly isCut: boolean;
    }
  | {
      readonly kind: 'failed';
      readonly subject: FailureSubject;
      readonly signature: string;
      readonly reason: string;
    }
  /** it was not tried */
  | { readonly kind: 'no time' };

export interface Fault {
  readonly signature: string;
  readonly shape: string;
  readonly reason: string;
}

export interface Halved {
  readonly recorded: ReadonlySet<string>;
  /** by id: of this run; undefined: it is none any more */
  readonly suspects: ReadonlyMap<string, Suspect | undefined>;
  readonly faults: readonly Fault[];
  /** not recorded, though the call succeeded and nothing explains it */
  readonly unexplained: readonly string[];
  /** how many were in the smallest call that took too long */
  readonly tooMany: number | undefined;
  /** why the run ended early */
  readonly stopped: 'main is away' | 'main is not sound' | 'no time' | undefined;
}

/** A transaction fails alone so often before it is set aside. */
export const failuresBeforeSetAside = 3;
const several = 3;

/** @param known suspects by id, of this batch and others */
export function* halve(
  batch: readonly Transaction[],
  known: ReadonlyMap<string, Suspect>,
): Generator<Attempt, Halved, Result> {
  const recorded = new Set<string>();
  const suspects = new Map<string, Suspect | undefined>();
  const faults: Fault[] = [];
  const unexplained: string[] = [];
  const held = new Set<string>();
  const faultedShapes = new Set<string>();
  const succeededShapes = new Set<string>();
  let isSound = false;
  let tooMany: number | undefined;
  let stopped: Halved['stopped'];

  function* run(group: readonly Transaction[]): Generator<Attempt, void, Result> {
    const transactions = group.filter(
      (each) =>
        !recorded.has(each.id) &&
        (isDecision(each) || !held.has(each.aggregate)) &&
        !faultedShapes.has(shapeOf(each)),
    );
    if (transactions.length === 0 || stopped !== undefined) return;
    const result = yield { kind: 'apply', transactions };
    if (result.kind === 'no time') return stop('no time');
    if (result.kind === 'done') return yield* take(result, transactions);
    if (result.subject === 'connection') return stop('main is away');
    if (result.subject === 'work') tooMany = Math.min(tooMany ?? Infinity, transactions.length);
    const [alone, ...others] = transactions;
    if (alone && others.length === 0) return yield* judge(alone, result);
    if (!(yield* control())) return;
    for (const half of halvesOf(transactions)) yield* run(half);
  }

  function* take(
    done: Extract<Result, { kind: 'done' }>,
    transactions: readonly Transaction[],
  ): Generator<Attempt, void, Result> {
    isSound = true;
    for (const shape of done.succeeded) succeededShapes.add(shape);
    for (const id of done.recorded) {
      recorded.add(id);
      if (known.has(id)) suspects.set(id, undefined);
    }
    for (const aggregate of done.faulted) held.add(aggregate);
    const left = transactions.filter(({ id, aggregate }) => !recorded.has(id) && !held.has(aggregate));
    if (done.isCut && left.length < transactions.length) return yield* run(left);
    for (const { id, aggregate } of left) {
      unexplained.push(id);
      held.add(aggregate);
    }
  }

  /** Whether main executes anything at all: until it does, no failure says anything about a transaction. */
  function* control(): Generator<Attempt, boolean, Result> {
    if (isSound) return true;
    const result = yield { kind: 'control' };
    if (result.kind === 'done') return (isSound = true);
    if (result.kind === 'no time') stop('no time');
    else if (result.subject === 'deployment' || result.subject === 'transaction') {
      faults.push({ signature: result.signature, shape: 'any', reason: result.reason });
      stop('main is not sound');
    } else stop('main is away');
    return false;
  }

  function* judge(
    alone: Transaction,
    { subject, signature, reason }: Extract<Result, { kind: 'failed' }>,
  ): Generator<Attempt, void, Result> {
    if (!(yield* control())) return;
    const { id, aggregate } = alone;
    const shape = shapeOf(alone);
    const { failures: before = 0, tries = 0 } = known.get(id) ?? {};
    const suspect = { aggregate, signature, shape, tries: tries + 1 };
    if (subject === 'lock') {
      hold(alone, { ...suspect, failures: before });
      return;
    }
    const isFault = !succeededShapes.has(shape) && alike(suspect) >= several;
    if (isFault || subject === 'deployment') {
      if (isFault) faultedShapes.add(shape);
      faults.push({ signature, shape, reason });
      hold(alone, { ...suspect, failures: before });
      return;
    }
    const failures = before + 1;
    if (failures < failuresBeforeSetAside) {
      hold(alone, { ...suspect, failures });
      return;
    }
    const result = yield { kind: 'set aside', transaction: alone, reason };
    if (result.kind === 'done') {
      recorded.add(id);
      suspects.set(id, undefined);
      return;
    }
    hold(alone, { ...suspect, failures: before });
    if (result.kind === 'no time') stop('no time');
    else if (result.subject === 'connection') stop('main is away');
  }

  /** How many aggregates have failed like this one, itself among them. */
  function alike({ aggregate, signature, shape }: Omit<Suspect, 'failures' | 'tries'>): number {
    const all = [...new Map([...known, ...suspects]).values()].flatMap((each) => each ?? []);
    const same = all.filter((each) => each.signature === signature && each.shape === shape);
    return new Set([aggregate, ...same.map((each) => each.aggregate)]).size;
  }

  function hold(alone: Transaction, suspect: Suspect): void {
    held.add(alone.aggregate);
    suspects.set(alone.id, suspect);
  }

  function stop(why: NonNullable<Halved['stopped']>): void {
    stopped ??= why;
  }

  const { first, probes, last } = inOrder(batch, known);
  yield* run(first);
  // a shape that seemed to be at fault: one of them tells whether it still is
  for (const [probe, ...others] of probes) {
    if (probe) yield* run([probe]);
    yield* run(others);
  }
  for (const { suspect, later } of last) {
    yield* run([suspect]);
    yield* run(later);
  }
  return { recorded, suspects, faults, unexplained, tooMany, stopped };
}

interface Order {
  readonly first: readonly Transaction[];
  /** by shape, of those that failed on several aggregates */
  readonly probes: readonly (readonly Transaction[])[];
  readonly last: readonly { readonly suspect: Transaction; readonly later: readonly Transaction[] }[];
}

/** Suspects last and alone, with what comes later in their aggregates behind them. */
function inOrder(batch: readonly Transaction[], known: ReadonlyMap<string, Suspect>): Order {
  const sorted = [...batch].sort((a, b) => a.stamp - b.stamp || (a.id < b.id ? -1 : 1));
  const first: Transaction[] = [];
  const last = new Map<string, { suspect: Transaction; later: Transaction[] }>();
  for (const each of sorted) {
    const behind = isDecision(each) ? undefined : last.get(each.aggregate);
    if (behind) behind.later.push(each);
    else if (known.has(each.id)) last.set(each.aggregate, { suspect: each, later: [] });
    else first.push(each);
  }
  const triesOf = ({ id }: Transaction) => known.get(id)?.tries ?? 0;
  const doubtful = shapesAtFault(known);
  const byShape = Map.groupBy(first, (each) => doubtful.find((shape) => shape === shapeOf(each)));
  return {
    first: byShape.get(undefined) ?? [],
    probes: doubtful.flatMap((shape) => {
      const group = byShape.get(shape);
      return group ? [group] : [];
    }),
    last: [...last.values()].sort((a, b) => triesOf(a.suspect) - triesOf(b.suspect)),
  };
}

/** Shapes of which several aggregates have failed alike. */
function shapesAtFault(known: ReadonlyMap<string, Suspect>): string[] {
  const alike = Map.groupBy(known.values(), ({ signature, shape }) => `${signature}\n${shape}`);
  const atFault = [...alike.values()].filter(
    (each) => new Set(each.map(({ aggregate }) => aggregate)).size >= several,
  );
  return [...new Set(atFault.map(([each]) => each?.shape ?? ''))];
}

/** By aggregate; of one aggregate the earlier half and the later one. */
function halvesOf(transactions: readonly Transaction[]): [Transaction[], Transaction[]] {
  const aggregates = [...new Set(transactions.map(({ aggregate }) => aggregate))];
  if (aggregates.length === 1) {
    const middle = Math.ceil(transactions.length / 2);
    return [transactions.slice(0, middle), transactions.slice(middle)];
  }
  const early = new Set(aggregates.slice(0, Math.ceil(aggregates.length / 2)));
  return [
    transactions.filter(({ aggregate }) => early.has(aggregate)),
    transactions.filter(({ aggregate }) => !early.has(aggregate)),
  ];
}
