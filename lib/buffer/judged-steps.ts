/** Translates the steps of a transaction into conditions and values for the judge in Redis (lua/include/judge.lua). Pure. */
import type { Step } from '../table/step.ts';
import { isTransition, tables } from '../table/tables.ts';
import { aggregateOfRow, aggregatesOf } from '../transaction/aggregates.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { parseInstant } from '../values/instant.ts';
import { identityJson, isJsonObject, type Json } from '../values/json.ts';

type UpdateStep = Extract<Step, { kind: 'update' }>;

/** Column → canonical text of its value: equal values have equal texts, however their numbers or keys were written. */
type Texts = Readonly<Record<string, string>>;

interface JudgedStep {
  readonly kind: 'create' | 'put' | 'update' | 'delete';
  /** id of the row */
  readonly row: string;
  /** which of the aggregates it belongs to, from 1; absent: the first */
  readonly at?: number;
  /** the executed unit of the aggregate: it is saved in fields that the first release reads too */
  readonly is_own?: true;
  /** columns that are saved and compared with later steps */
  readonly values: Texts;
  /** column → values that it may have before the step */
  readonly allowed?: Readonly<Record<string, readonly string[]>>;
  /** the step is a repeat if the row already has these values */
  readonly given?: readonly string[];
  /** columns whose text the first release wrote differently */
  readonly former?: Texts;
  /** columns of an untracked change: their values are unknown from now on */
  readonly replaced?: readonly string[];
  /** the instant in the first column must not be after the one in the second */
  readonly in_order?: readonly [begin: string, end: string];
  /** the change is saved with its transaction id, and later steps are judged by it */
  readonly is_tracked?: true;
  /** the row as the answer shows it; absent if it is the transaction's own patch */
  readonly text?: string;
}

/** Position of an aggregate in the index of the overlay. */
interface Place {
  readonly obs_unit_id: number;
  readonly start_ms: number;
}

export interface Judged {
  readonly steps: readonly JudgedStep[];
  /** present if the transaction creates the executed unit */
  readonly place?: Place;
}

/**
 * Leaves out steps of tables without a feed and bulk creates: only main judges these.
 * @param patch JSON of the fields that the transaction's answer shows
 */
export function judgedSteps(transaction: Transaction, patch: string): Judged {
  const steps = transaction.steps.flatMap((step) => judgedStep(transaction, step, patch));
  const place = placeOf(transaction);
  return { steps, ...(place && { place }) };
}

function judgedStep(transaction: Transaction, step: Step, patch: string): JudgedStep[] {
  if (!('table' in step) || step.kind === 'bulk_create') return [];
  const rules = tables[step.table];
  if (rules.feed === undefined) return [];
  const aggregate = aggregateOfRow(transaction, step);
  const at = aggregatesOf(transaction).indexOf(aggregate) + 1;
  const isOwn = step.table === 'executed_obs_unit' && step.id === aggregate;
  const base = {
    ...{ kind: step.kind, row: step.id, values: {} },
    ...(at > 1 && { at }),
    ...(isOwn && { is_own: true as const }),
  };
  if (step.kind === 'delete') return [base];
  const { values } = step;
  const text = textOf(step.id, values, transaction.id);
  const answer = text === patch ? {} : { text };
  const stateColumns = Object.keys(rules.transitions ?? {}).filter((column) => values[column] !== undefined);
  const { begin, end } = rules.times ?? {};
  const times = Object.values(rules.times ?? {});
  if (step.kind !== 'update') {
    // the own row is saved as its text alone
    const saved = isOwn ? {} : pick(values, [...stateColumns, ...times]);
    return [{ ...base, ...answer, values: texts(step.kind === 'put' ? values : saved) }];
  }
  const isTracked = step.only_if !== undefined || stateColumns.length > 0;
  return [
    {
      ...base,
      ...answer,
      values: texts(isTracked ? values : pick(values, times)),
      ...(isTracked
        ? { ...conditionsOf(step, step.corrects ? [] : stateColumns), is_tracked: true }
        : { replaced: Object.keys(values) }),
      ...(begin && end && { in_order: [begin, end] }),
    },
  ];
}

/** @param moved state columns that the step changes */
function conditionsOf(step: UpdateStep, moved: readonly string[]): Partial<JudgedStep> {
  const { values, only_if, given = only_if ? [] : Object.keys(values) } = step;
  const known = given.filter((column) => values[column] !== undefined);
  const former = formerTexts(pick(values, known));
  const allowedIn = (column: string): [string, string[]] => {
    const must = only_if?.[column];
    const before = moved.includes(column) ? predecessors(step, column) : undefined;
    if (must === undefined) return [column, before ?? []];
    const text = textOfValue(must);
    return [column, before === undefined || before.includes(text) ? [text] : []];
  };
  return {
    allowed: Object.fromEntries([...new Set([...moved, ...Object.keys(only_if ?? {})])].map(allowedIn)),
    ...(known.length > 0 && { given: known }),
    ...(Object.keys(former).length > 0 && { former }),
  };
}

/** States from which the step's state may follow, including itself. */
function predecessors({ table, values }: UpdateStep, column: string): string[] {
  const states = Object.keys(tables[table].transitions?.[column] ?? {});
  return states.filter((state) => isTransition(table, column, state, values[column])).map(textOfValue);
}

function placeOf({ aggregate, stamp, steps }: Transaction): Place | undefined {
  for (const step of steps) {
    if (step.kind !== 'create' || step.id !== aggregate || step.table !== 'executed_obs_unit') continue;
    const { obs_unit_id, start_time } = step.values;
    const start = Date.parse(typeof start_time === 'string' ? start_time : '');
    if (!Number.isSafeInteger(obs_unit_id)) return undefined;
    // main fills a missing start with the accept time; the same is good enough to index one that cannot be parsed
    return {
      obs_unit_id: Number(obs_unit_id),
      start_ms: Number.isNaN(start) ? Math.floor(stamp / 1000) : start,
    };
  }
  return undefined;
}

/**
 * The answer to a repeated request, as far as it follows from the transaction. For a change there is no status: it depends on
 * whether the row is known, and its creation may be restored later.
 */
export function answerKnownFrom(transaction: Transaction): {
  readonly patch: string;
  readonly status?: number;
} {
  for (const step of transaction.steps) {
    if (step.kind !== 'create' && step.kind !== 'update') continue;
    if (tables[step.table].feed === undefined) continue;
    const patch = textOf(step.id, step.values, transaction.id);
    return step.kind === 'create' ? { patch, status: 201 } : { patch };
  }
  return { patch: '{}', status: 200 };
}

/** The row as an answer shows it. */
function textOf(row: string, values: Readonly<Record<string, Json>>, transactionId: string): string {
  return JSON.stringify({ id: row, ...values, transaction_id: transactionId });
}

function pick(values: Readonly<Record<string, Json>>, columns: readonly string[]): Record<string, Json> {
  return Object.fromEntries(
    columns.flatMap((column) => (values[column] === undefined ? [] : [[column, values[column]]])),
  );
}

function texts(values: Readonly<Record<string, Json>>): Texts {
  return Object.fromEntries(Object.entries(values).map(([column, value]) => [column, textOfValue(value)]));
}

function textOfValue(value: Json): string {
  if (typeof value !== 'object')
    return JSON.stringify(typeof value === 'string' ? (parseInstant(value)?.instant ?? value) : value);
  return identityJson(value);
}

/** The first release read numbers as doubles. */
function formerTexts(values: Readonly<Record<string, Json>>): Texts {
  return Object.fromEntries(
    Object.entries(values).flatMap(([column, value]) => {
      if (!isJsonObject(value)) return [];
      const text = identityJson(value);
      const former = JSON.stringify(JSON.parse(text));
      return former === text ? [] : [[column, former]];
    }),
  );
}
