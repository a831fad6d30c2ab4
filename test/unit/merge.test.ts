import { fc } from '../support/property.ts';
import { describe, expect, it } from 'vitest';
import type { OverlayEntry } from '../../lib/buffer/overlay.ts';
import type { InboxRow } from '../../lib/postgres/inbox.ts';
import { merge, type Row } from '../../lib/smart-query/merge.ts';
import { executedObsUnitsOf } from '../../lib/smart-query/records.ts';
import type { Step, Transaction } from '../../lib/transaction/transaction.ts';

const unit = '0190b8f0-0000-7000-8000-000000000001';
const idOf = (n: number) => `0190b8f0-0000-7000-8000-0000000001${String(n).padStart(2, '0')}`;

function transaction(n: number, stamp: number, ...steps: Step[]): Transaction {
  return { version: 1, id: idOf(n), stamp, aggregate: unit, principal: '1', operation: 'test', steps };
}

const startStep: Step = {
  kind: 'create',
  table: 'executed_obs_unit',
  id: unit,
  values: {
    obs_unit_id: 7,
    status: 'running',
    start_time: '2026-10-01T00:00:00.000Z',
    end_time: null,
    metadata: { a: 1 },
  },
};
const finishStep: Step = {
  kind: 'update',
  table: 'executed_obs_unit',
  id: unit,
  values: { status: 'completed', end_time: '2026-10-01T00:10:00.000Z', metadata: { b: 2 } },
  only_if: { status: 'running' },
};
const buffered = (each: Transaction, more: Partial<OverlayEntry> = {}): OverlayEntry => ({
  transaction: each,
  state: 'buffered',
  verified: true,
  refused: false,
  ...more,
});
const recorded = (each: Transaction, more: Partial<InboxRow> = {}): InboxRow => ({
  id: each.id,
  stamp: each.stamp,
  aggregate: unit,
  principal: '1',
  recordIds: [unit],
  outcome: 'applied',
  parkedFor: null,
  overdue: false,
  waitsFor: null,
  reason: null,
  steps: null,
  obsUnitId: 7,
  attempts: 1,
  revision: 1,
  recordedAt: '2026-10-01T00:00:00.000Z',
  changedAt: '2026-10-01T00:00:00.000Z',
  ...more,
});
const row: Row = { id: unit, ...startStep.values, field_stamps: {} };
const start = transaction(1, 1000, startStep);
const finish = transaction(2, 2000, finishStep);
const merged = (rows: readonly Row[], overlay: readonly OverlayEntry[], inbox: readonly InboxRow[]) => {
  const [record] = executedObsUnitsOf(
    merge({ rows: { executed_obs_unit: rows }, deleted: [], inbox }, overlay),
    [],
  );
  return record;
};

describe('the merge', () => {
  it.each([
    ['the buffer shows', { state: 'discarded' as const }, []],
    ['the replica shows', {}, [recorded(start, { outcome: 'discarded', steps: [startStep] })]],
  ])('applies changes after the start that replaced a discarded one, which %s', (_name, more, inbox) => {
    const again = transaction(3, 3000, startStep);
    const record = merged([], [buffered(start, more), buffered(finish), buffered(again)], inbox);
    expect(record).toMatchObject({
      status: 'completed',
      obs_unit_id: 7,
      start_time: '2026-10-01T00:00:00.000000Z',
    });
  });

  it('applies buffered transactions in the order of their stamps', () => {
    expect(merged([], [buffered(finish), buffered(start)], [])).toMatchObject({
      status: 'completed',
      metadata: { a: 1, b: 2 },
      sync: { state: 'buffered' },
    });
  });

  it('ignores buffered transactions whose inbox rows are in the snapshot', () => {
    const changedByOthers = { ...row, status: 'failed', metadata: {} };
    const record = merged(
      [changedByOthers],
      [buffered(start), buffered(finish)],
      [recorded(start), recorded(finish)],
    );
    expect(record).toMatchObject({ status: 'failed', metadata: {}, sync: { state: 'replicated' } });
  });

  it('reports the state of the least advanced transaction', () => {
    const entries = [buffered(start, { state: 'committed', lsn: '0/10' }), buffered(finish)];
    expect(merged([row], entries, [recorded(start)])?.sync).toEqual({ state: 'buffered' });
    const both = [entries[0], buffered(finish, { state: 'committed', lsn: '0/20' })].flatMap(
      (each) => each ?? [],
    );
    expect(merged([row], both, [recorded(start)])?.sync).toEqual({ state: 'committed', lsn: '0/20' });
    expect(merged([row], [], [])?.sync).toEqual({ state: 'replicated' });
  });

  it('shows a parked transaction that only the replica has', () => {
    const parked = recorded(finish, {
      outcome: 'parked',
      parkedFor: 'start',
      steps: finish.steps,
      reason: 'waits',
    });
    expect(merged([], [], [parked])).toMatchObject({
      status: 'completed',
      sync: { state: 'buffered', verified: false },
    });
    const failed = { ...parked, parkedFor: 'failed' as const, reason: 'cannot be applied' };
    expect(merged([], [], [failed])?.sync).toMatchObject({ state: 'failed', reason: 'cannot be applied' });
  });

  it('keeps the newer value of the row over an older update', () => {
    const newer = {
      ...row,
      status: 'failed',
      field_stamps: { status: 5000, 'metadata.b': 5000 },
      metadata: { b: 'new' },
    };
    const older = transaction(3, 3000, {
      kind: 'update',
      table: 'executed_obs_unit',
      id: unit,
      values: { status: 'aborted', metadata: { b: 'old', c: 3 } },
    });
    expect(merged([newer], [buffered(older)], [])).toMatchObject({
      status: 'failed',
      metadata: { b: 'new', c: 3 },
    });
  });

  it('keeps a record deleted that main or a buffered transaction has deleted', () => {
    const deletion = transaction(4, 2500, { kind: 'delete', table: 'executed_obs_unit', id: unit });
    const late = transaction(5, 3000, {
      kind: 'update',
      table: 'executed_obs_unit',
      id: unit,
      values: { status: 'failed' },
    });
    expect(merged([row], [buffered(deletion), buffered(late)], [])).toBeUndefined();
    const snapshot = { rows: {}, deleted: [unit], inbox: [recorded(deletion)] };
    expect(merge(snapshot, [buffered(deletion), buffered(late)]).executed_obs_unit.size).toBe(0);
  });

  it('gives a refused transaction no effect, also before its inbox row is on the replica', () => {
    const refused = buffered(finish, { state: 'failed', refused: true, reason: 'it had already ended' });
    expect(merged([{ ...row, status: 'aborted' }], [refused], [])).toMatchObject({
      status: 'aborted',
      sync: { state: 'failed', reason: 'it had already ended' },
    });
  });

  it('joins buffered and replicated packages and files to their unit', () => {
    const [pack, file, other] = [idOf(50), idOf(51), idOf(52)];
    const snapshot = {
      rows: {
        executed_obs_unit: [row],
        raw_data_file: [{ id: other, executed_obs_unit_id: unit, name: 'b', size_bytes: 2, metadata: {} }],
      },
      deleted: [],
      inbox: [],
    };
    const entry = buffered(
      transaction(
        6,
        4000,
        {
          kind: 'create',
          table: 'raw_data_package',
          id: pack,
          values: { executed_obs_unit_id: unit, name: 'p' },
        },
        {
          kind: 'bulk_create',
          table: 'raw_data_file',
          rows: [{ id: file, values: { executed_obs_unit_id: unit, raw_data_package_id: pack, name: 'a' } }],
        },
        { kind: 'update', table: 'raw_data_file', id: other, values: { size_bytes: 3 } },
      ),
    );
    const [record] = executedObsUnitsOf(merge(snapshot, [entry]), ['packages', 'files']);
    expect(record).toMatchObject({
      sync: { state: 'replicated' },
      packages: [{ id: pack, state: 'waiting', sync: { state: 'buffered' } }],
      files: [
        { id: file, raw_data_package_id: pack },
        { id: other, size_bytes: 3, sync: { state: 'buffered' } },
      ],
    });
  });

  it('lets the newest writer of each field win, for any applied subset and any order', () => {
    const fields = ['a', 'b'] as const;
    const writes = fc.uniqueArray(
      fc.record({
        stamp: fc.integer({ min: 1, max: 9 }),
        field: fc.constantFrom(...fields),
        isApplied: fc.boolean(),
      }),
      { selector: ({ stamp }) => stamp, minLength: 1, maxLength: 9 },
    );
    fc.assert(
      fc.property(writes, (all) => {
        const newest = (some: typeof all, field: string) =>
          Math.max(0, ...some.filter((each) => each.field === field).map(({ stamp }) => stamp));
        const applied = all.filter(({ isApplied }) => isApplied);
        const stampsOf = (prefix: string) =>
          fields.map((field) => [prefix + field, newest(applied, field)] as const);
        const present: Row = {
          ...row,
          metadata: Object.fromEntries(stampsOf('')),
          field_stamps: Object.fromEntries(stampsOf('metadata.')),
        };
        const entries = all
          .filter(({ isApplied }) => !isApplied)
          .map(({ stamp, field }) =>
            buffered(
              transaction(stamp, stamp, {
                kind: 'update',
                table: 'executed_obs_unit',
                id: unit,
                values: { metadata: { [field]: stamp } },
              }),
            ),
          );
        expect(merged([present], entries, [])?.metadata).toEqual(
          Object.fromEntries(fields.map((field) => [field, newest(all, field)])),
        );
      }),
    );
  });

  it('lets the first of two finishes win, in any order of arrival', () => {
    const other = transaction(9, 1500, {
      ...finishStep,
      values: { status: 'aborted', end_time: null },
    });
    for (const entries of [
      [start, finish, other],
      [other, finish, start],
      [finish, other, start],
    ]) {
      expect(
        merged(
          [],
          entries.map((each) => buffered(each)),
          [],
        ),
      ).toMatchObject({ status: 'aborted' });
    }
  });

  it('applies a start before its finish, even if its stamp is later', () => {
    const late = transaction(1, 9000, startStep);
    for (const entries of [
      [late, finish],
      [finish, late],
    ]) {
      const record = merged(
        [],
        entries.map((each) => buffered(each)),
        [],
      );
      expect(record).toMatchObject({ status: 'completed', obs_unit_id: 7, metadata: { a: 1, b: 2 } });
      expect(record?.sync).toEqual({ state: 'buffered' });
    }
  });

  it('marks a finish as unverified when its record was never started or was deleted', () => {
    expect(merged([], [buffered(finish)], [])?.sync).toEqual({ state: 'buffered', verified: false });
    expect(merged([row], [buffered(finish)], [])?.sync).toEqual({ state: 'buffered' });
  });
});
