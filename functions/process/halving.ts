/**
 * Isolates failing transactions: when a call at main fails, halves the batch until one transaction fails on its own. Pure: a
 * generator that yields attempts and receives the result of each.
 *
 * - A batch is halved by chain, then by stamp. Later transactions of a chain are held until earlier ones have an outcome.
 *   A chain is an aggregate, or several that transactions change together.
 * - Suspects, transactions that have failed on their own before, are tried last and one at a time.
 * - An admin's decision is never held, since it may be about the failing transaction.
 * - A suspect is set aside after several failures of its own. A failure counts only if another call succeeds in the same run; a
 *   wait for a lock never counts.
 * - The same failure in several aggregates without a success of that shape is a fault of main. Then no transaction is set aside,
 *   and others of that shape are not tried in this run.
 */
import type { FailureSubject } from '../../lib/transaction/failure.ts';
import { linkedAggregates } from '../../lib/transaction/aggregates.ts';
import { isDecision, shapeOf, type Transaction } from '../../lib/transaction/transaction.ts';

/** A transaction that has failed on its own. */
export interface Suspect {
  readonly aggregate: string;
  /** failures that count towards setting it aside */
  readonly failures: number;
  /** all failures on its own: suspects with the fewest are tried first */
  readonly tries: number;
  readonly signature: string;
  readonly shape: string;
}

export type Attempt =
  | { readonly kind: 'apply'; readonly transactions: readonly Transaction[] }
  /** an empty call: checks that main works at all */
  | { readonly kind: 'control' }
  | { readonly kind: 'set aside'; readonly transaction: Transaction; readonly reason: string };

export type Result =
  | {
      readonly kind: 'done';
      readonly recorded: ReadonlySet<string>;
      /** shapes of the applied transactions */
      readonly succeeded: readonly string[];
      /** aggregates with transactions that were left because main seems to be at fault */
      readonly faulted: readonly string[];
      /** the call reached its time limit before the end of the batch */
      readonly isPartial: boolean;
    }
  | {
      readonly kind: 'failed';
      readonly subject: FailureSubject;
      readonly signature: string;
      readonly reason: string;
    }
  /** the attempt was not made */
  | { readonly kind: 'out of time' };

export interface Fault {
  readonly signature: string;
  readonly shape: string;
  readonly reason: string;
}

export interface Halved {
  readonly recorded: ReadonlySet<string>;
  /** changes by this run, by transaction id; undefined if it is no longer a suspect */
  readonly suspects: ReadonlyMap<string, Suspect | undefined>;
  readonly faults: readonly Fault[];
  /** not recorded although the call succeeded, for no known reason */
  readonly unexplained: readonly string[];
  /** size of the smallest batch that timed out or was too large */
  readonly timedOutSize: number | undefined;
  /** the reason if the run ended early */
  readonly stopped: 'main unreachable' | 'main faulty' | 'out of time' | undefined;
}

/** Failures on its own after which a transaction is set aside. */
export const failuresBeforeSetAside = 3;
/** Aggregates with the same failure that prove a fault of main. */
const aggregatesForFault = 3;

/** @param known suspects by id, of this batch and others */
export function* halve(
  batch: readonly Transaction[],
  known: ReadonlyMap<string, Suspect>,
): Generator<Attempt, Halved, Result> {
  const recorded = new Set<string>();
  const suspects = new Map<string, Suspect | undefined>();
  const faults: Fault[] = [];
  const unexplained: string[] = [];
  const linked = linkedAggregates(batch);
  const chainOf = ({ aggregate }: { readonly aggregate: string }) => linked(aggregate);
  const held = new Set<string>();
  const faultedShapes = new Set<string>();
  const succeededShapes = new Set<string>();
  let hasSucceeded = false;
  let timedOutSize: number | undefined;
  let stopped: Halved['stopped'];

  function* run(group: readonly Transaction[]): Generator<Attempt, void, Result> {
    const transactions = group.filter(
      (each) =>
        !recorded.has(each.id) &&
        (isDecision(each) || !held.has(chainOf(each))) &&
        !faultedShapes.has(shapeOf(each)),
    );
    if (transactions.length === 0 || stopped !== undefined) return;
    const result = yield { kind: 'apply', transactions };
    if (result.kind === 'out of time') return stop('out of time');
    if (result.kind === 'done') return yield* take(result, transactions);
    if (result.subject === 'connection') return stop('main unreachable');
    if (result.subject === 'work') timedOutSize = Math.min(timedOutSize ?? Infinity, transactions.length);
    const [alone, ...others] = transactions;
    if (alone && others.length === 0) return yield* judge(alone, result);
    if (!(yield* control())) return;
    for (const half of halvesOf(transactions, chainOf)) yield* run(half);
  }

  function* take(
    done: Extract<Result, { kind: 'done' }>,
    transactions: readonly Transaction[],
  ): Generator<Attempt, void, Result> {
    hasSucceeded = true;
    for (const shape of done.succeeded) succeededShapes.add(shape);
    for (const id of done.recorded) {
      recorded.add(id);
      if (known.has(id)) suspects.set(id, undefined);
    }
    for (const aggregate of done.faulted) held.add(chainOf({ aggregate }));
    const left = transactions.filter((each) => !recorded.has(each.id) && !held.has(chainOf(each)));
    if (done.isPartial && left.length < transactions.length) return yield* run(left);
    for (const each of left) {
      unexplained.push(each.id);
      held.add(chainOf(each));
    }
  }

  /** Checks that main executes calls at all. Otherwise a failure proves nothing about the transaction. */
  function* control(): Generator<Attempt, boolean, Result> {
    if (hasSucceeded) return true;
    const result = yield { kind: 'control' };
    if (result.kind === 'done') return (hasSucceeded = true);
    if (result.kind === 'out of time') stop('out of time');
    else if (result.subject === 'deployment' || result.subject === 'transaction') {
      faults.push({ signature: result.signature, shape: 'any', reason: result.reason });
      stop('main faulty');
    } else stop('main unreachable');
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
    const isFault = !succeededShapes.has(shape) && countAlike(suspect) >= aggregatesForFault;
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
    if (result.kind === 'out of time') stop('out of time');
    else if (result.subject === 'connection') stop('main unreachable');
  }

  /** Number of aggregates with the same failure, including this one. */
  function countAlike({ aggregate, signature, shape }: Omit<Suspect, 'failures' | 'tries'>): number {
    const all = [...new Map([...known, ...suspects]).values()].flatMap((each) => each ?? []);
    const same = all.filter((each) => each.signature === signature && each.shape === shape);
    return new Set([aggregate, ...same.map((each) => each.aggregate)]).size;
  }

  function hold(alone: Transaction, suspect: Suspect): void {
    held.add(chainOf(alone));
    suspects.set(alone.id, suspect);
  }

  function stop(why: NonNullable<Halved['stopped']>): void {
    stopped ??= why;
  }

  const { first, probes, last } = inOrder(batch, known, chainOf);
  yield* run(first);
  // try one transaction of each shape that failed in several aggregates, to find out whether main is still at fault
  for (const [probe, ...others] of probes) {
    if (probe) yield* run([probe]);
    yield* run(others);
  }
  for (const { suspect, later } of last) {
    yield* run([suspect]);
    yield* run(later);
  }
  return { recorded, suspects, faults, unexplained, timedOutSize, stopped };
}

/** Names the chain of a transaction. */
type ChainOf = (transaction: Transaction) => string;

interface Order {
  readonly first: readonly Transaction[];
  /** transactions of shapes that failed in several aggregates, by shape */
  readonly probes: readonly (readonly Transaction[])[];
  readonly last: readonly { readonly suspect: Transaction; readonly later: readonly Transaction[] }[];
}

/** Suspects come last and one at a time, each followed by later transactions of its chain. */
function inOrder(
  batch: readonly Transaction[],
  known: ReadonlyMap<string, Suspect>,
  chainOf: ChainOf,
): Order {
  const sorted = [...batch].sort((a, b) => a.stamp - b.stamp || (a.id < b.id ? -1 : 1));
  const first: Transaction[] = [];
  const last = new Map<string, { suspect: Transaction; later: Transaction[] }>();
  for (const each of sorted) {
    const behind = isDecision(each) ? undefined : last.get(chainOf(each));
    if (behind) behind.later.push(each);
    else if (known.has(each.id)) last.set(chainOf(each), { suspect: each, later: [] });
    else first.push(each);
  }
  const triesOf = ({ id }: Transaction) => known.get(id)?.tries ?? 0;
  const atFault = shapesAtFault(known);
  const byShape = Map.groupBy(first, (each) => atFault.find((shape) => shape === shapeOf(each)));
  return {
    first: byShape.get(undefined) ?? [],
    probes: atFault.flatMap((shape) => {
      const group = byShape.get(shape);
      return group ? [group] : [];
    }),
    last: [...last.values()].sort((a, b) => triesOf(a.suspect) - triesOf(b.suspect)),
  };
}

/** Shapes with the same failure in several aggregates. */
function shapesAtFault(known: ReadonlyMap<string, Suspect>): string[] {
  const alike = Map.groupBy(known.values(), ({ signature, shape }) => `${signature}\n${shape}`);
  const atFault = [...alike.values()].filter(
    (each) => new Set(each.map(({ aggregate }) => aggregate)).size >= aggregatesForFault,
  );
  return [...new Set(atFault.map(([each]) => each?.shape ?? ''))];
}

/** Divides by chain; transactions of a single chain are divided into an earlier and a later half. */
function halvesOf(transactions: readonly Transaction[], chainOf: ChainOf): [Transaction[], Transaction[]] {
  const chains = [...new Set(transactions.map(chainOf))];
  if (chains.length === 1) {
    const middle = Math.ceil(transactions.length / 2);
    return [transactions.slice(0, middle), transactions.slice(middle)];
  }
  const early = new Set(chains.slice(0, Math.ceil(chains.length / 2)));
  return [
    transactions.filter((each) => early.has(chainOf(each))),
    transactions.filter((each) => !early.has(chainOf(each))),
  ];
}
