/**
 * Applies the steps of transactions to the rows of a replica, in TypeScript. Follows the same rules as the judge in Redis
 * (lib/buffer/lua/include/judge.lua) and the functions at main; test/integration/steps.model.test.ts compares the three.
 *
 * - A transaction takes effect as a whole or not at all.
 * - The last writer wins per field, by stamp. Objects are merged by key. Fields of a group win or lose together.
 * - A row is created once. After a delete, only `put` creates it again.
 * - An update has no effect if its condition is not met, or if a column may not change to its state.
 */
import { isJsonObject } from '../values/json.ts';
import type { Step } from './step.ts';
import { bufferedTables, groupOf, isTransition, tables, type BufferedTable } from './tables.ts';

/** A row of a buffered table as JSON, with its columns. */
export type Row = Readonly<Record<string, unknown>> & { readonly id: string };

export type Rows = Readonly<Partial<Record<BufferedTable, readonly Row[]>>>;

type Values = Readonly<Record<string, unknown>>;
type UpdateStep = Extract<Step, { kind: 'update' }>;

/** The rows of each table, with the steps applied so far. */
export class OverlaidRows {
  readonly #tables: ReadonlyMap<BufferedTable, Map<string, Values>>;
  readonly #deleted: Set<string>;
  /** updated although neither a row nor a step has created them */
  readonly #notCreated = new Set<string>();

  /** @param deleted ids of deleted rows */
  constructor(rows: Rows, deleted: readonly string[]) {
    this.#tables = new Map(
      bufferedTables.map((table) => [table, new Map((rows[table] ?? []).map((row) => [row.id, { ...row }]))]),
    );
    this.#deleted = new Set(deleted);
  }

  /** by id */
  of(table: BufferedTable): ReadonlyMap<string, Values> {
    return this.#of(table);
  }

  isCreated(table: BufferedTable, id: string): boolean {
    return !this.#notCreated.has(`${table} ${id}`);
  }

  /** @param stamp of the transaction with these steps */
  apply(steps: readonly Step[], stamp: number): void {
    if (this.#hasEffect(steps, stamp)) for (const step of steps) this.#apply(step, stamp);
  }

  #of(table: BufferedTable): Map<string, Values> {
    return this.#tables.get(table) ?? new Map<string, Values>();
  }

  #hasEffect(steps: readonly Step[], stamp: number): boolean {
    const made = new Set<string>();
    return steps.every((step) => {
      switch (step.kind) {
        case 'create':
          made.add(step.id);
          return this.#isFree(step.table, step.id);
        case 'bulk_create':
          for (const { id } of step.rows) made.add(id);
          return step.rows.every(({ id }) => this.#isFree(step.table, id));
        case 'update': {
          if (made.has(step.id)) return true;
          const present = this.#of(step.table).get(step.id);
          return present ? isMet(step, present, stamp) : !this.#deleted.has(step.id);
        }
        default:
          return true;
      }
    });
  }

  #isFree(table: BufferedTable, id: string): boolean {
    return !this.#deleted.has(id) && !this.#of(table).has(id);
  }

  #apply(step: Step, stamp: number): void {
    switch (step.kind) {
      case 'create':
        this.#of(step.table).set(step.id, { id: step.id, ...step.values });
        return;
      case 'put':
        this.#put(step, stamp);
        return;
      case 'bulk_create':
        for (const { id, values } of step.rows) this.#of(step.table).set(id, { id, ...values });
        return;
      case 'update': {
        const made = this.#of(step.table).get(step.id);
        if (!made && this.#deleted.has(step.id)) return;
        if (!made) this.#notCreated.add(`${step.table} ${step.id}`);
        this.#of(step.table).set(
          step.id,
          applyFields(step.table, made ?? { id: step.id }, step.values, stamp),
        );
        return;
      }
      case 'delete':
        this.#of(step.table).delete(step.id);
        this.#deleted.add(step.id);
        return;
      case 'retry':
      case 'discard':
        return;
    }
  }

  /** A row with its own stamp is ordered by it, as at the site, and not by when it is recorded. */
  #put({ table, id, values }: Extract<Step, { kind: 'put' }>, stamp: number): void {
    const present = this.#of(table).get(id);
    const putStamp = Number(values.stamp ?? stamp);
    if (!present) this.#of(table).set(id, { id, ...values });
    else if (Number(present.stamp ?? 0) <= putStamp) {
      this.#of(table).set(id, applyFields(table, present, values, putStamp));
    }
  }
}

/** A column without a known value meets every condition. */
function isMet(step: UpdateStep, present: Values, stamp: number): boolean {
  const { table, only_if = {}, values, corrects } = step;
  const stamps = asObject(present.field_stamps);
  const isUnmet = Object.entries(only_if).some(
    ([column, value]) =>
      (present[column] !== undefined && present[column] !== value) ||
      stamp <= groupStamp(table, column, stamps),
  );
  if (isUnmet || corrects) return !isUnmet;
  return Object.keys(tables[table].transitions ?? {}).every(
    (column) =>
      values[column] === undefined ||
      present[column] === undefined ||
      // a later write has already replaced the state: the field loses like any other
      stamp <= groupStamp(table, column, stamps) ||
      isTransition(table, column, present[column], values[column]),
  );
}

function applyFields(table: BufferedTable, present: Values, values: Values, stamp: number): Values {
  const before = asObject(present.field_stamps);
  const stamps = { ...before };
  const result: Record<string, unknown> = { ...present };
  for (const [field, value] of Object.entries(values)) {
    if (isJsonObject(value)) {
      const newer = Object.entries(value).filter(
        ([key]) => stamp > Math.max(stampOf(before, `${field}.${key}`), stampOf(before, field)),
      );
      if (newer.length > 0) result[field] = { ...asObject(present[field]), ...Object.fromEntries(newer) };
      for (const [key] of newer) stamps[`${field}.${key}`] = stamp;
    } else if (stamp > groupStamp(table, field, before)) {
      result[field] = value;
      for (const member of groupOf(table, field)) stamps[member] = stamp;
    }
  }
  return { ...result, field_stamps: stamps };
}

function stampOf(stamps: Values, field: string): number {
  return Number(stamps[field] ?? 0);
}

/** Stamp of the last write to a field or to another of its group. */
function groupStamp(table: BufferedTable, field: string, stamps: Values): number {
  return Math.max(...groupOf(table, field).map((member) => stampOf(stamps, member)));
}

function asObject(value: unknown): Record<string, unknown> {
  return isJsonObject(value) ? { ...value } : {};
}
