/**
 * The trivially right model: every acknowledged write at once, in one place, laid in the order of its stamp. It foresees every value
 * that a reader may be given. It asks main only when what was decided: what it had refused, what an admin had discarded there,
 * and what it had applied before another program changed a row.
 */
import type { Outcome } from '../../../lib/transaction/lifecycle.ts';

export interface View {
  readonly obs_unit_id: number | null;
  readonly start_time: string | null;
  readonly status: string;
  readonly end_time: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface Write {
  /** of the transaction */
  readonly id: string;
  readonly unit: string;
  /** µs */
  readonly stamp: number;
  readonly kind: 'start' | 'finish' | 'update' | 'delete' | 'poison';
  readonly values: Partial<View>;
}

/** What another program does to the row of a unit, and what main had applied before. */
interface Change {
  readonly at: number;
  readonly stamp: number;
  readonly kind: 'move' | 'delete' | 'fail' | 'run' | 'insert';
  readonly values: Partial<View>;
  readonly after: ReadonlySet<string>;
}

/** What main has decided about a transaction. */
interface Fate {
  readonly id: string;
  readonly outcome: Outcome;
  /** the commit that says so; Infinity: main has lost it */
  readonly at: number;
  /** whether Redis tells readers before their replica does */
  readonly noted: 'yes' | 'no' | 'perhaps';
}

/** Outcomes of what the site forgets: it can be done again, right. */
const givenUp: readonly Outcome[] = ['refused', 'discarded'];

const unmade: View = { obs_unit_id: null, start_time: null, status: 'running', end_time: null, metadata: {} };

export class Model {
  /** commits at main so far */
  commits = 0;
  /** by id, in the order of their acceptance */
  readonly writes = new Map<string, Write>();
  /** of which an admin has asked to be discarded */
  readonly givenUp = new Set<string>();
  readonly #changes = new Map<string, Change[]>();
  readonly #fates = new Map<string, Fate[]>();

  accept(write: Write): void {
    this.writes.set(write.id, write);
  }

  /** ids of units, without those that poison has begun */
  get units(): string[] {
    const poisoned = new Set(this.#writesOf('poison').map(({ unit }) => unit));
    const named = [...this.writes.values()].map(({ unit }) => unit);
    return [...new Set([...named, ...this.#changes.keys()])].filter((unit) => !poisoned.has(unit));
  }

  isPoisoned(unit: string): boolean {
    return this.#writesOf('poison').some((write) => write.unit === unit);
  }

  /** Whether main has, or has had, a row of it by the API; or has one by another program. */
  wasMade(unit: string): boolean {
    const isStarted = ({ id, kind }: Write) => kind === 'start' && this.fateOf(id) === 'applied';
    return this.#of(unit).some(isStarted) || this.rowOf(unit) !== undefined;
  }

  /** Somebody has deleted it through the API. */
  isDeleted(unit: string): boolean {
    return this.#writesOf('delete').some((write) => write.unit === unit);
  }

  /** Units that nobody has started, and nobody has deleted. */
  get unstarted(): string[] {
    return this.units.filter(
      (unit) =>
        !this.isDeleted(unit) &&
        this.changesOf(unit).length === 0 &&
        !this.#of(unit).some(({ id, kind }) => kind === 'start' && this.fateOf(id) !== 'discarded'),
    );
  }

  /** Whether every store knows what became of the write, by the note in Redis too. */
  isSettled(id: string): boolean {
    const fates = this.#fates.get(id) ?? [];
    return fates.length > 0 && fates.every(({ noted }) => noted === 'yes');
  }

  /** Whether the door must take such a write: nothing that it may know of the unit speaks against it. */
  mustAccept(kind: Write['kind'], unit: string): boolean {
    if (kind !== 'start' && kind !== 'finish') return true;
    const rivals = this.#of(unit).filter((write) => write.kind === kind);
    return rivals.every(({ id }) => this.isSettled(id) && givenUp.includes(this.fateOf(id) ?? 'parked'));
  }

  changesOf(unit: string): readonly Change[] {
    return this.#changes.get(unit) ?? [];
  }

  /** Another program has changed the row, if it was there. */
  change(
    unit: string,
    change: Pick<Change, 'kind' | 'values' | 'stamp'>,
    applied: ReadonlySet<string>,
  ): void {
    const at = (this.commits += 1);
    this.#changes.set(unit, [...this.changesOf(unit), { ...change, at, after: applied }]);
  }

  /** @param isNoted whether Redis was told */
  decide(decided: readonly Pick<Fate, 'outcome' | 'id'>[], isNoted: (id: string) => boolean): void {
    this.commits += 1;
    for (const { id, outcome } of decided) {
      const before = this.#fates.get(id) ?? [];
      // of what was set aside and cleaned the replica alone says that it was decided about later
      const noted = !isNoted(id) ? 'no' : before.length > 0 ? 'perhaps' : 'yes';
      this.#fates.set(id, [...before, { id, outcome, at: this.commits, noted }]);
    }
  }

  /** Main has lost every commit after this one; Redis has not, until the next check. */
  lose(at: number): void {
    for (const [unit, changes] of this.#changes) {
      this.#changes.set(
        unit,
        changes.filter((each) => each.at <= at),
      );
    }
    for (const [id, fates] of this.#fates) {
      const lost = fates.filter((each) => each.at > at && each.noted !== 'no');
      const kept = fates.filter((each) => each.at <= at);
      this.#fates.set(id, [
        ...kept,
        ...lost.map((each) => ({ ...each, at: Infinity, noted: 'perhaps' as const })),
      ]);
    }
  }

  /** Every store knows what main has decided by now. */
  settle(outcomes: ReadonlyMap<string, Outcome>): void {
    for (const [id, outcome] of outcomes) {
      this.#fates.set(id, [{ id, outcome, at: this.commits, noted: 'yes' }]);
    }
  }

  fateOf(id: string): Outcome | undefined {
    return this.#fates.get(id)?.findLast(({ at }) => at < Infinity)?.outcome;
  }

  /** Each value that a reader may be given of a unit by a replica that has seen so many commits; undefined: there is none. */
  viewsOf(unit: string, seen: number): (View | undefined)[] {
    const fates = this.#of(unit).flatMap(({ id }) => this.#fates.get(id) ?? []);
    return (fates.some(({ noted }) => noted === 'perhaps') ? [false, true] : [false]).map((believes) => {
      const known = (id: string) =>
        this.#fates
          .get(id)
          ?.findLast(({ at, noted }) => at <= seen || noted === 'yes' || (noted === 'perhaps' && believes))
          ?.outcome;
      const isOpen = ({ id }: Write) => !givenUp.includes(known(id) ?? 'parked');
      return this.#lay(unit, seen, this.#of(unit).filter(isOpen));
    });
  }

  /** What main has of a unit by what it has applied. */
  rowOf(unit: string): View | undefined {
    const view = this.#lay(
      unit,
      Infinity,
      this.#of(unit).filter(({ id }) => this.fateOf(id) === 'applied'),
    );
    return view?.obs_unit_id === null ? undefined : view;
  }

  #of(unit: string): Write[] {
    return [...this.writes.values()].filter((write) => write.unit === unit);
  }

  #writesOf(kind: Write['kind']): Write[] {
    return [...this.writes.values()].filter((write) => write.kind === kind);
  }

  #lay(unit: string, seen: number, writes: readonly Write[]): View | undefined {
    const row = new Row();
    let rest = writes;
    for (const change of this.changesOf(unit).filter(({ at }) => at <= seen)) {
      row.lay(rest.filter(({ id }) => change.after.has(id)));
      rest = rest.filter(({ id }) => !change.after.has(id));
      row.change(change);
    }
    row.lay(rest);
    return row.view;
  }
}

/** One row, as writes and other programs make it one after the other. */
class Row {
  view: View | undefined;
  #isDeleted = false;
  /** when another program last changed the status */
  #stamp = 0;

  /** A start first, then by stamp. */
  lay(writes: readonly Write[]): void {
    const isLater = ({ kind }: Write) => Number(kind !== 'start');
    for (const write of [...writes].sort((a, b) => isLater(a) - isLater(b) || a.stamp - b.stamp))
      this.#lay(write);
  }

  change({ kind, values, stamp }: Change): void {
    const isStatus = kind === 'fail' || kind === 'run';
    if (kind === 'delete') this.view = undefined;
    else this.view = { ...(this.view ?? unmade), ...values };
    if (isStatus) this.#stamp = stamp;
  }

  #lay({ kind, values, stamp }: Write): void {
    if (this.#isDeleted) return;
    switch (kind) {
      case 'start':
        this.view ??= { ...unmade, ...values };
        return;
      case 'finish':
        if (this.view && (this.view.status !== 'running' || stamp <= this.#stamp)) return;
        this.view = { ...(this.view ?? unmade), ...values };
        return;
      case 'update':
        this.view = {
          ...(this.view ?? unmade),
          metadata: { ...this.view?.metadata, ...values.metadata },
        };
        return;
      case 'delete':
        this.view = undefined;
        this.#isDeleted = true;
        return;
      case 'poison':
        return;
    }
  }
}
