/** Random tables for the differential test of steps: their rows in `tables`, and their migration. */
import { fc } from './property.ts';
import type pg from 'pg';
import { bufferedTables, tables, type BufferedTable } from '../../lib/table/tables.ts';

/** Fixed, so that every run has the same tables. */
const seed = 7;

const rules = fc.record({
  isSelf: fc.boolean(),
  isGrouped: fc.boolean(),
  /** pairs of states: the second may follow the first */
  follows: fc.uniqueArray(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: 2, maxLength: 7, selector: String }),
});

const states = ['s0', 's1', 's2', 's3'] as const;

const drawn = fc.sample(rules, { numRuns: 6, seed });

/** The name of a table that is unknown to the compiler. */
const nameOf = (index: number) => `model_${index}` as BufferedTable;

export const modelTables: readonly BufferedTable[] = drawn.map((_, index) => nameOf(index));

const added = drawn.map(({ isSelf, isGrouped, follows }, index) => {
  const following = (from: number) => follows.filter(([before]) => before === from).map(([, to]) => `s${to}`);
  const row = {
    ...(isSelf ? { aggregate: 'self' as const } : { parent: 'executed_obs_unit_id' }),
    feed: 'observations' as const,
    ...(isGrouped && { groups: [['state', 'at']] }),
    transitions: { state: Object.fromEntries(states.map((state, from) => [state, following(from)])) },
  };
  return [nameOf(index), row] as const;
});

/** Adds the tables to `tables` of this process. Call it before the SQL functions are installed. */
export function addModelTables(): void {
  Object.assign(tables, Object.fromEntries(added));
  bufferedTables.push(...modelTables);
}

/** Creates the tables, as a migration would. */
export async function createModelTables(main: pg.Pool): Promise<void> {
  for (const [name, { groups = [], parent }] of added.map(
    ([each, row]) => [each, { parent: undefined, ...row }] as const,
  )) {
    await main.query(`
      create table ${name} (id uuid primary key, executed_obs_unit_id uuid, state text not null, note text, size integer,
        at timestamptz, tags integer[], metadata jsonb not null default '{}')`);
    await main.query('select make_buffered_v1($1, parent => $2, together => $3, states => $4)', [
      name,
      parent ?? null,
      groups.map((group) => group.join(',')),
      JSON.stringify({ state: states }),
    ]);
  }
}

const time = fc.integer({ min: 0, max: 3 }).map((n) => `2026-10-01T0${n}:00:00.000Z`);
const metadata = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof(fc.nat(3), fc.constant({ deep: 1 })));

/** Values of the columns that clients write, by table. */
export const modelValues = {
  state: fc.constantFrom(...states),
  note: fc.option(fc.constantFrom('x', 'y')),
  size: fc.option(fc.nat(2)),
  at: fc.option(time),
  tags: fc.array(fc.nat(2), { maxLength: 2 }),
  metadata,
};

export const unitValues = {
  status: fc.constantFrom('running', 'completed', 'aborted'),
  end_time: fc.option(time),
  instrument_module_ids: fc.array(fc.nat(2), { maxLength: 2 }),
  metadata,
};
