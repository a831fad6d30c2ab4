/** The steps of a transaction as the judge in Redis reads them (lua/include/judge.lua): what must hold, and what is noted. Pure. */
import type { Step } from '../table/step.ts';
import { isTransition, tables } from '../table/tables.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { parseInstant } from '../values/instant.ts';
import { identityJson, isJsonObject, type Json } from '../values/json.ts';

type UpdateStep = Extract<Step, { kind: 'update' }>;

/** A value is the text of its identity: what is equal is equal as text, whatever its digits or the order of its keys. */
type Texts = Readonly<Record<string, string>>;

interface JudgedStep {
  readonly kind: 'create' | 'put' | 'update' | 'delete';
  /** id of the row */
  readonly row: string;
  /** the executed unit of the aggregate: it is noted in fields that the first release reads too */
  readonly is_own?: true;
  /** columns that are noted, and compared by later steps */
  readonly values: Texts;
  /** column → the values of which it must have one */
  readonly allowed?: Readonly<Record<string, readonly string[]>>;
  /** columns that make a repeat, if the row has them already */
  readonly given?: readonly string[];
  /** columns whose text the first release wrote otherwise */
  readonly former?: Texts;
  /** columns of a change that is not noted: their values are not known any more */
  readonly replaced?: readonly string[];
  /** the first column holds an instant that is not after the second one's */
  readonly in_order?: readonly [begin: string, end: string];
  /** the change is noted, with its author: later ones are judged by it */
  readonly is_noted?: true;
  /** what an answer says of the row; absent: the answer of the transaction itself */
  readonly text?: string;
}

/** Where the overlay's index finds an aggregate. */
interface Place {
  readonly obs_unit_id: number;
  readonly start_ms: number;
}

export interface Judged {
  readonly steps: readonly JudgedStep[];
  /** if it creates the executed unit */
  readonly place?: Place;
}

/**
 * Steps of tables without a feed, and those that create rows in bulk, are left to main.
 * @param patch what the answer of the transaction says of its record
 */
export function judgedSteps(transaction: Transaction, patch: string): Judged {
  const steps = transaction.steps.flatMap((step) => judgedStep(transaction, step, patch));
  const place = placeOf(transaction);
  return { steps, ...(place && { place }) };
}

function judgedStep({ id, aggregate }: Transaction, step: Step, patch: string): JudgedStep[] {
  if (!('table' in step) || step.kind === 'bulk_create') return [];
  const rules = tables[step.table];
  if (rules.feed === undefined) return [];
  const isOwn = step.table === 'executed_obs_unit' && step.id === aggregate;
  const base = { kind: step.kind, row: step.id, ...(isOwn && { is_own: true as const }), values: {} };
  if (step.kind === 'delete') return [base];
  const { values } = step;
  const text = textOf(step.id, values, id);
  const answer = text === patch ? {} : { text };
  const stateColumns = Object.keys(rules.transitions ?? {}).filter((column) => values[column] !== undefined);
  const { begin, end } = rules.times ?? {};
  const times = Object.values(rules.times ?? {});
  if (step.kind !== 'update') {
    // the fields of the own row have room for its text alone
    const noted = isOwn ? {} : pick(values, [...stateColumns, ...times]);
    return [{ ...base, ...answer, values: texts(step.kind === 'put' ? values : noted) }];
  }
  const isNoted = step.only_if !== undefined || stateColumns.length > 0;
  return [
    {
      ...base,
      ...answer,
      values: texts(isNoted ? values : pick(values, times)),
      ...(isNoted
        ? { ...conditionsOf(step, step.corrects ? [] : stateColumns), is_noted: true }
        : { replaced: Object.keys(values) }),
      ...(begin && end && { in_order: [begin, end] }),
    },
  ];
}

/** @param moved columns that go to another state */
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

/** From which states the step may come, itself among them. */
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
    // main fills in the accept time of a copy that has none; the index needs no better for one that cannot be read
    return {
      obs_unit_id: Number(obs_unit_id),
      start_ms: Number.isNaN(start) ? Math.floor(stamp / 1000) : start,
    };
  }
  return undefined;
}

/**
 * What a repeated request is answered, as far as the transaction alone tells. To a change it is noted with its row, whose creation
 * may come later: it has no status here.
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

/** What an answer says of a row. */
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
