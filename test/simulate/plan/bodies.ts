/** Bodies of requests, and values of rows, by what the contracts and the tables say of them. */
import type { Random } from '../engine/random.ts';

/** JSON Schema, as far as it is read here. */
export interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

export interface WriteOperation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body: Schema;
}

/** Several in one millisecond, and some that are equal. */
export const instants = [
  '2028-01-01T00:00:00.000001Z',
  '2028-01-01T00:00:00.000002Z',
  '2028-01-01T00:00:00.5Z',
  '2028-01-01T00:01:00Z',
  '2028-01-01T00:02:00+00:00',
  '2028-01-01T01:03:00.123456+01:00',
] as const;

/** @param isStart: ends come after all of them */
function instant(random: Random, name: string): string {
  const text = random.pick(instants) ?? instants[0];
  return name.startsWith('end') ? text.replace('2028-01-01', '2028-01-03') : text;
}

const metadata = (random: Random): Record<string, unknown> =>
  Object.fromEntries(
    ['a', 'b', 'c']
      .filter(() => random.chance(0.4))
      .map((key) => [key, random.pick([1, 2, 'x', null, [1], { deep: 1 }])]),
  );

/** Without the ids of records, which the history knows. */
export function bodyOf(schema: Schema, random: Random): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    if (name === 'id') continue;
    const isRequired = schema.required?.includes(name) === true && each.enum === undefined;
    if (isRequired || random.chance(0.5)) body[name] = valueOf(name, each, random);
  }
  return body;
}

function valueOf(name: string, schema: Schema, random: Random): unknown {
  if (name === 'obs_unit_id') return 1 + random.int(3);
  if (name === 'metadata') return metadata(random);
  if (name.endsWith('_time') || schema.format === 'date-time') return instant(random, name);
  if (schema.enum) return random.pick(schema.enum);
  switch (schema.type) {
    case 'array':
      return Array.from({ length: random.int(3) }, () => valueOf('', schema.items ?? {}, random));
    case 'integer':
    case 'number':
      return (schema.minimum ?? 0) + random.int(Math.min(5, (schema.maximum ?? 5) - (schema.minimum ?? 0)));
    case 'boolean':
      return random.chance(0.5);
    case 'object':
      return metadata(random);
    default:
      return random.pick(['x', 'y', 'z']);
  }
}

/** A column of a buffered table. */
export interface Column {
  readonly name: string;
  /** as information_schema has it */
  readonly type: string;
  readonly isRequired: boolean;
}

export interface RowTable {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly parent: string | undefined;
  /** column → its states, the first of which a row begins with */
  readonly states: Readonly<Record<string, readonly string[]>>;
}

export function rowValues(table: RowTable, random: Random, isNew: boolean): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { name, type, isRequired } of table.columns) {
    if (!(isNew && isRequired) && !random.chance(isNew ? 0.3 : 0.4)) continue;
    values[name] = columnValue(table, name, type, random);
  }
  return values;
}

function columnValue({ states }: RowTable, name: string, type: string, random: Random): unknown {
  const known = states[name];
  if (known) return random.pick(known);
  if (/^(integer|bigint|smallint|numeric)$/.test(type)) return 1 + random.int(5);
  if (type === 'jsonb') return metadata(random);
  if (/^timestamp/.test(type)) return random.pick(instants);
  if (type === 'boolean') return random.chance(0.5);
  if (type === 'ARRAY') return [1 + random.int(3)];
  return random.pick(['x', 'y', 'z']);
}
