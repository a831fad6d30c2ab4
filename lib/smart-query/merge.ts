/**
 * The merge: rows of a replica, and over them what is accepted but not in that replica yet. Pure.
 *
 * What the replica's inbox contains has its effect in the rows already and adds nothing, whatever the buffer still says.
 * What is parked there has none, and is laid over the rows like what is still buffered.
 */
import type { OverlayEntry } from '../buffer/overlay.ts';
import type { ExecutedObsUnit, Status, Sync, SyncState } from '../observation/executed-obs-unit.ts';
import { stateOf, type InboxRow } from '../postgres/inbox.ts';
import { writeLsn, readLsn } from '../replication/lsn.ts';
import { canonicalTimestamp } from '../transaction/timestamp.ts';
import { recordIdsOf, type Step } from '../transaction/transaction.ts';

/** A row of `executed_obs_unit` as JSON, with its columns. */
export type Row = Readonly<Record<string, unknown>> & { readonly id: string };

export interface Merged {
  /** by record id, in no order */
  readonly records: ReadonlyMap<string, ExecutedObsUnit>;
}

/** A transaction that still has something to say about its records. */
interface Voice {
  readonly id: string;
  readonly stamp: number;
  readonly recordIds: readonly string[];
  /** empty if the rows contain its effect */
  readonly steps: readonly Step[];
  readonly state: SyncState;
  readonly lsn?: string;
  readonly reason?: string;
  readonly verified: boolean;
}

/**
 * @param rows of one replica
 * @param inbox of the same snapshot: the overlay's transactions, and those parked for these records
 */
export function mergeExecutedObsUnits(
  rows: readonly Row[],
  overlay: readonly OverlayEntry[],
  inbox: readonly InboxRow[],
): Map<string, ExecutedObsUnit> {
  const voices = voicesOf(overlay, inbox).sort(inOrder);
  const state = new Map<string, Record<string, unknown>>(rows.map((row) => [row.id, { ...row }]));
  for (const voice of voices) for (const step of voice.steps) lay(step, voice.stamp, state);

  const records = new Map<string, ExecutedObsUnit>();
  for (const [id, values] of state) {
    records.set(id, recordOf(id, values, syncOf(voices.filter((voice) => voice.recordIds.includes(id)))));
  }
  return records;
}

function voicesOf(overlay: readonly OverlayEntry[], inbox: readonly InboxRow[]): Voice[] {
  const recorded = new Map(inbox.map((row) => [row.id, row]));
  const buffered = overlay.map((entry): Voice => {
    const { transaction, lsn, reason, verified } = entry;
    const row = recorded.get(transaction.id);
    const said = {
      id: transaction.id,
      stamp: transaction.stamp,
      recordIds: recordIdsOf(transaction),
      ...(lsn !== undefined && { lsn }),
    };
    if (row) return { ...said, ...saidByMain(row), steps: parkedSteps(row) };
    return {
      ...said,
      state: syncState(entry.state),
      ...(reason && { reason }),
      verified,
      steps: transaction.steps,
    };
  });
  const known = new Set(buffered.map((voice) => voice.id));
  const parked = inbox
    .filter((row) => row.outcome === 'parked' && !known.has(row.id))
    .map((row): Voice => ({
      id: row.id,
      stamp: row.stamp,
      recordIds: row.recordIds,
      ...saidByMain(row),
      steps: parkedSteps(row),
    }));
  return [...buffered, ...parked];
}

function saidByMain(row: InboxRow): Pick<Voice, 'state' | 'reason' | 'verified'> {
  const state = stateOf(row);
  return {
    state: state === 'committed' || state === 'discarded' ? 'replicated' : syncState(state),
    ...(state === 'failed' && row.reason !== null && { reason: row.reason }),
    verified: row.parkedFor !== 'start',
  };
}

function parkedSteps(row: InboxRow): readonly Step[] {
  return row.outcome === 'parked' ? ((row.steps ?? []) as readonly Step[]) : [];
}

function syncState(state: OverlayEntry['state']): SyncState {
  if (state === 'waiting') return 'buffered';
  return state === 'discarded' ? 'replicated' : state;
}

/** As main applies them: a start before what needs it, then by stamp. */
function inOrder(a: Voice, b: Voice): number {
  return Number(isStart(b)) - Number(isStart(a)) || a.stamp - b.stamp || (a.id < b.id ? -1 : 1);
}

function isStart({ steps }: Voice): boolean {
  return steps.some((step) => step.kind === 'create' && step.table === 'executed_obs_unit');
}

type State = Map<string, Record<string, unknown>>;

function lay(step: Step, stamp: number, state: State): void {
  if (!('table' in step) || step.table !== 'executed_obs_unit') return;
  switch (step.kind) {
    case 'create':
      if (!state.has(step.id)) state.set(step.id, { id: step.id, ...step.values });
      return;
    case 'bulk_create':
      for (const { id, values } of step.rows) if (!state.has(id)) state.set(id, { id, ...values });
      return;
    case 'update': {
      const present = state.get(step.id) ?? { id: step.id };
      const unmet = Object.entries(step.only_if ?? {}).some(
        ([column, value]) => present[column] !== undefined && present[column] !== value,
      );
      if (!unmet) state.set(step.id, layFields(present, step.values, stamp));
      return;
    }
    case 'delete':
      state.delete(step.id);
      return;
  }
}

/** Last writer per field, by stamp; an object merges by its keys. The same rule as `update_row` at main. */
function layFields(
  present: Readonly<Record<string, unknown>>,
  values: Readonly<Record<string, unknown>>,
  stamp: number,
): Record<string, unknown> {
  const stamps = { ...asObject(present.field_stamps) };
  const result: Record<string, unknown> = { ...present };
  const newer = (field: string) => stamp > Number(stamps[field] ?? 0);
  for (const [field, value] of Object.entries(values)) {
    if (isObject(value)) {
      const merged = { ...asObject(present[field]) };
      for (const [key, part] of Object.entries(value)) {
        if (!newer(`${field}.${key}`)) continue;
        merged[key] = part;
        stamps[`${field}.${key}`] = stamp;
      }
      result[field] = merged;
    } else if (newer(field)) {
      result[field] = value;
      stamps[field] = stamp;
    }
  }
  return { ...result, field_stamps: stamps };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}

const advance: Readonly<Record<SyncState, number>> = { failed: -1, buffered: 0, committed: 1, replicated: 2 };

/** Where a record is: the least advanced of its transactions that are not cleaned; failed, if one of them is. */
function syncOf(voices: readonly Voice[]): Sync {
  const least = voices.reduce<Voice | undefined>(
    (worst, voice) => (worst === undefined || advance[voice.state] < advance[worst.state] ? voice : worst),
    undefined,
  );
  if (least === undefined) return { state: 'replicated' };
  const positions = voices.flatMap(({ lsn }) => (lsn === undefined ? [] : [readLsn(lsn).value]));
  const newest = positions.reduce((highest, lsn) => (lsn > highest ? lsn : highest), 0n);
  const showsLsn = (least.state === 'committed' || least.state === 'replicated') && newest > 0n;
  return {
    state: least.state,
    ...(showsLsn && { lsn: writeLsn(newest) }),
    ...(least.state === 'failed' && { reason: least.reason ?? 'main could not apply it' }),
    ...(voices.some((voice) => !voice.verified) && { verified: false as const }),
  };
}

function recordOf(id: string, values: Readonly<Record<string, unknown>>, sync: Sync): ExecutedObsUnit {
  return {
    id,
    obs_unit_id: typeof values.obs_unit_id === 'number' ? values.obs_unit_id : null,
    status: values.status as Status,
    start_time: instant(values.start_time),
    end_time: instant(values.end_time),
    instrument_module_ids: Array.isArray(values.instrument_module_ids)
      ? (values.instrument_module_ids as number[])
      : [],
    metadata: asObject(values.metadata),
    sync,
  };
}

function instant(value: unknown): string | null {
  return typeof value === 'string' ? (canonicalTimestamp(value) ?? value) : null;
}
