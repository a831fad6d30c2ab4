/**
 * The trivially right model: it applies every acknowledged write at once, in stamp order, and computes every value that a read may
 * return. It takes from main only which transactions were refused, discarded, or applied before another program changed a row.
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

/** A change of a unit's row by another program, and the transactions that main had applied before. */
interface Change {
  readonly at: number;
  readonly stamp: number;
  readonly kind: 'move' | 'delete' | 'fail' | 'run' | 'insert';
  readonly values: Partial<View>;
  readonly after: ReadonlySet<string>;
}

/** The outcome of a transaction at main. */
interface Fate {
  readonly id: string;
  readonly outcome: Outcome;
  /** its commit; Infinity if main has lost it */
  readonly at: number;
  /** whether Redis shows it to readers before their replica does */
  readonly noted: 'yes' | 'no' | 'perhaps';
}

/** Outcomes of writes that have no effect: the same start or finish can be recorded again. */
const withoutEffect: readonly Outcome[] = ['refused', 'discarded'];

const empty: View = { obs_unit_id: null, start_time: null, status: 'running', end_time: null, metadata: {} };

export class Model {
  /** commits at main so far */
  commits = 0;
  /** by id, in order of acceptance */
  readonly writes = new Map<string, Write>();
  /** ids of transactions whose discard was accepted */
  readonly discarded = new Set<string>();
  readonly #changes = new Map<string, Change[]>();
  readonly #fates = new Map<string, Fate[]>();

  accept(write: Write): void {
    this.writes.set(write.id, write);
  }

  /** ids of units, without those of poison transactions */
  get units(): string[] {
    const poisoned = new Set(this.#writesOf('poison').map(({ unit }) => unit));
    const named = [...this.writes.values()].map(({ unit }) => unit);
    return [...new Set([...named, ...this.#changes.keys()])].filter((unit) => !poisoned.has(unit));
  }

  isPoisoned(unit: string): boolean {
    return this.#writesOf('poison').some((write) => write.unit === unit);
  }

  /** Whether main has, or had, the row. After a discarded start only a retry or another start creates it. */
  wasCreated(unit: string): boolean {
    const starts = this.#of(unit)
      .filter(({ kind }) => kind === 'start')
      .map(({ id }) => this.fateOf(id));
    if (starts.includes('applied')) return true;
    return !starts.includes('discarded') && this.rowOf(unit) !== undefined;
  }

  /** Whether a delete was accepted. */
  isDeleted(unit: string): boolean {
    return this.#writesOf('delete').some((write) => write.unit === unit);
  }

  /** Units that are neither started nor deleted. */
  get unstarted(): string[] {
    return this.units.filter(
      (unit) =>
        !this.isDeleted(unit) &&
        this.changesOf(unit).length === 0 &&
        !this.#of(unit).some(({ id, kind }) => kind === 'start' && this.fateOf(id) !== 'discarded'),
    );
  }

  /** Whether every store, Redis included, knows the outcome of the write. */
  isSettled(id: string): boolean {
    const fates = this.#fates.get(id) ?? [];
    return fates.length > 0 && fates.every(({ noted }) => noted === 'yes');
  }

  /** Whether the write must be accepted: nothing that may be known of the unit conflicts with it. */
  mustAccept(kind: Write['kind'], unit: string): boolean {
    if (kind !== 'start' && kind !== 'finish') return true;
    const rivals = this.#of(unit).filter((write) => write.kind === kind);
    return rivals.every(
      ({ id }) => this.isSettled(id) && withoutEffect.includes(this.fateOf(id) ?? 'parked'),
    );
  }

  changesOf(unit: string): readonly Change[] {
    return this.#changes.get(unit) ?? [];
  }

  /** Records a change of the row by another program. */
  change(
    unit: string,
    change: Pick<Change, 'kind' | 'values' | 'stamp'>,
    applied: ReadonlySet<string>,
  ): void {
    const at = (this.commits += 1);
    this.#changes.set(unit, [...this.changesOf(unit), { ...change, at, after: applied }]);
  }

  /** @param isNoted whether Redis has recorded the outcome */
  decide(decided: readonly Pick<Fate, 'outcome' | 'id'>[], isNoted: (id: string) => boolean): void {
    this.commits += 1;
    for (const { id, outcome } of decided) {
      const before = this.#fates.get(id) ?? [];
      // once a transaction that was set aside is cleaned, only a replica shows a later decision
      const noted = !isNoted(id) ? 'no' : before.length > 0 ? 'perhaps' : 'yes';
      this.#fates.set(id, [...before, { id, outcome, at: this.commits, noted }]);
    }
  }

  /** Drops the commits of main after this one; Redis keeps their outcomes until the next check. */
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

  /** Records that every store knows these outcomes. */
  settle(outcomes: ReadonlyMap<string, Outcome>): void {
    for (const [id, outcome] of outcomes) {
      this.#fates.set(id, [{ id, outcome, at: this.commits, noted: 'yes' }]);
    }
  }

  fateOf(id: string): Outcome | undefined {
    return this.#fates.get(id)?.findLast(({ at }) => at < Infinity)?.outcome;
  }

  /** Each value of a unit that a read may return from a replica that has replayed `seen` commits; undefined for no record. */
  viewsOf(unit: string, seen: number): (View | undefined)[] {
    const fates = this.#of(unit).flatMap(({ id }) => this.#fates.get(id) ?? []);
    return (fates.some(({ noted }) => noted === 'perhaps') ? [false, true] : [false]).map(
      (showsUncertain) => {
        const known = (id: string) =>
          this.#fates
            .get(id)
            ?.findLast(
              ({ at, noted }) => at <= seen || noted === 'yes' || (noted === 'perhaps' && showsUncertain),
            )?.outcome;
        const isOpen = ({ id }: Write) => !withoutEffect.includes(known(id) ?? 'parked');
        return this.#viewOf(unit, seen, this.#of(unit).filter(isOpen));
      },
    );
  }

  /** The row of a unit at main, from the applied transactions. */
  rowOf(unit: string): View | undefined {
    const view = this.#viewOf(
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

  #viewOf(unit: string, seen: number, writes: readonly Write[]): View | undefined {
    const row = new Row();
    let rest = writes;
    for (const change of this.changesOf(unit).filter(({ at }) => at <= seen)) {
      row.apply(rest.filter(({ id }) => change.after.has(id)));
      rest = rest.filter(({ id }) => !change.after.has(id));
      row.change(change);
    }
    row.apply(rest);
    return row.view;
  }
}

/** One row, to which writes and changes by other programs are applied in turn. */
class Row {
  view: View | undefined;
  #isDeleted = false;
  /** when another program last changed the status */
  #stamp = 0;

  /** Applies a start first, then by stamp. */
  apply(writes: readonly Write[]): void {
    const isLater = ({ kind }: Write) => Number(kind !== 'start');
    for (const write of [...writes].sort((a, b) => isLater(a) - isLater(b) || a.stamp - b.stamp))
      this.#apply(write);
  }

  change({ kind, values, stamp }: Change): void {
    const isStatus = kind === 'fail' || kind === 'run';
    if (kind === 'delete') this.view = undefined;
    else this.view = { ...(this.view ?? empty), ...values };
    if (isStatus) this.#stamp = stamp;
  }

  #apply({ kind, values, stamp }: Write): void {
    if (this.#isDeleted) return;
    switch (kind) {
      case 'start':
        this.view ??= { ...empty, ...values };
        return;
      case 'finish':
        if (this.view && (this.view.status !== 'running' || stamp <= this.#stamp)) return;
        this.view = { ...(this.view ?? empty), ...values };
        return;
      case 'update':
        this.view = {
          ...(this.view ?? empty),
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
