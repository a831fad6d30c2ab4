import { describe, expect, it } from 'vitest';
import type { Step } from '../../lib/table/step.ts';
import {
  aggregateOfRow,
  aggregatesOf,
  inOrder,
  linkedAggregates,
  startedBy,
  tableOfAggregate,
} from '../../lib/transaction/aggregates.ts';

const unit = '00000000-0000-4000-8000-00000000000a';
const pack = '00000000-0000-4000-8000-00000000000b';
const file = '00000000-0000-4000-8000-00000000000c';

const createPackage = (values: Extract<Step, { kind: 'create' }>['values']): Step => ({
  ...{ kind: 'create', table: 'raw_data_package', id: pack, values },
});
const updateFile: Step = { kind: 'update', table: 'raw_data_file', id: file, values: {} };

describe('the aggregates of a transaction', () => {
  it('are the first one and the others, without duplicates', () => {
    expect(aggregatesOf({ aggregate: unit })).toEqual([unit]);
    expect(aggregatesOf({ aggregate: unit, aggregates: [file, unit, file, pack] })).toEqual([
      unit,
      file,
      pack,
    ]);
  });

  it('take each row into its own aggregate, that of its parent, or the first one', () => {
    const named = { aggregate: unit, aggregates: [unit, pack] };
    const table = 'raw_data_package';
    expect(aggregateOfRow(named, { table, id: pack })).toBe(pack);
    expect(
      aggregateOfRow(
        { aggregate: file, aggregates: [file, unit] },
        { table, id: pack, values: { executed_obs_unit_id: unit } },
      ),
    ).toBe(unit);
    expect(aggregateOfRow(named, { table, id: file })).toBe(unit);
  });

  it('are started by the step that creates the row with their id, even in bulk', () => {
    const bulk: Step = { kind: 'bulk_create', table: 'raw_data_file', rows: [{ id: file, values: {} }] };
    const named = { aggregate: pack, aggregates: [pack, file, unit] };
    expect(startedBy({ ...named, steps: [createPackage({}), updateFile] })).toEqual([pack]);
    expect(startedBy({ ...named, steps: [bulk] })).toEqual([file]);
  });

  it('belong to an executed unit unless a step shows another table', () => {
    const named = { aggregate: unit, aggregates: [unit, file] };
    const ofUnit = createPackage({ executed_obs_unit_id: unit });
    expect(tableOfAggregate({ ...named, steps: [ofUnit, updateFile] }, unit)).toBe('executed_obs_unit');
    expect(tableOfAggregate({ ...named, steps: [ofUnit, updateFile] }, file)).toBe('raw_data_file');
    expect(tableOfAggregate({ aggregate: unit, steps: [createPackage({})] }, unit)).toBe('raw_data_package');
    expect(tableOfAggregate({ aggregate: unit, steps: [updateFile] }, unit)).toBe('executed_obs_unit');
  });

  it('are linked by transactions of several aggregates', () => {
    const linked = linkedAggregates([
      { aggregate: 'a', aggregates: ['a', 'b'] },
      { aggregate: 'c' },
      { aggregate: 'd', aggregates: ['d', 'b'] },
    ]);
    expect(new Set(['a', 'b', 'd'].map(linked)).size).toBe(1);
    expect(linked('c')).toBe('c');
  });
});

describe('the order of transactions', () => {
  const of = (id: string, stamp: number, aggregates: readonly string[], starts: readonly string[] = []) => ({
    id,
    stamp,
    aggregates,
    starts,
  });
  const idsOf = (...transactions: readonly ReturnType<typeof of>[]) =>
    inOrder(transactions).map(({ id }) => id);

  it('follows their stamps', () => {
    expect(idsOf(of('later', 2, ['a']), of('earlier', 1, ['b']), of('also earlier', 1, ['a']))).toEqual([
      'also earlier',
      'earlier',
      'later',
    ]);
  });

  it('puts a start before transactions that need it, whatever their stamps', () => {
    expect(idsOf(of('finish', 1, ['a']), of('start', 5, ['a'], ['a']))).toEqual(['start', 'finish']);
    expect(idsOf(of('a finish', 5, ['a']), of('start', 5, ['a'], ['a']))).toEqual(['start', 'a finish']);
  });

  it('keeps earlier transactions of another aggregate before a start that belongs to both', () => {
    const package_ = of('package', 5, ['p', 'f'], ['p']);
    expect(idsOf(of('checksum', 4, ['f']), package_, of('finalize', 1, ['p']))).toEqual([
      'checksum',
      'package',
      'finalize',
    ]);
  });

  it('puts a transaction after a start that itself needs a start', () => {
    const package_ = of('package', 2, ['p', 'f'], ['p']);
    expect(idsOf(of('finalize', 1, ['p']), package_, of('file', 9, ['f'], ['f']))).toEqual([
      'file',
      'package',
      'finalize',
    ]);
  });
});
