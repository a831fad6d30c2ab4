/**
 * Merges the rows of a replica with accepted transactions whose effect is not in that replica yet. Pure, and the same for every
 * buffered table.
 *
 * A transaction in the replica's inbox already has its effect in the rows and adds nothing, whatever its state in the buffer.
 * A parked one has no effect there. It is laid over the rows like a buffered one.
 */
import type { OverlayEntry } from '../buffer/overlay.ts';
import type { Sync } from '../observation/sync.ts';
import { lifecycle, stateOfInbox, type State } from '../transaction/lifecycle.ts';
import type { InboxRow } from '../postgres/inbox.ts';
import { writeLsn, readLsn } from '../values/lsn.ts';
import { OverlaidRows, type Rows } from '../table/overlaid-rows.ts';
import { byTable, type BufferedTable } from '../table/tables.ts';
import { aggregatesOf, inOrder, startedBy, type Ordered } from '../transaction/aggregates.ts';
import { recordIdsOf, type Step } from '../transaction/transaction.ts';

export type { Row } from '../table/overlaid-rows.ts';

/** One replica as one statement reads it. If no replica answers: the rows that the buffer knows. */
export interface Snapshot {
  readonly rows: Rows;
  /** ids of deleted records: no transaction restores them */
  readonly deleted: readonly string[];
  /** the overlay's transactions, and those parked for these records */
  readonly inbox: readonly InboxRow[];
  /** the store that could not be read */
  readonly unseen?: 'replica';
}

/** A record after the merge. */
export interface MergedRecord {
  readonly id: string;
  /** column → JSON value; a column that was never written may be missing */
  readonly values: Readonly<Record<string, unknown>>;
  readonly sync: Sync;
}

/** By table and id, in no order. */
export type Merged = Readonly<Record<BufferedTable, ReadonlyMap<string, MergedRecord>>>;

/** What one transaction contributes to its records and to their `sync`. */
interface Contribution extends Ordered {
  readonly recordIds: readonly string[];
  /** empty if the rows contain its effect */
  readonly steps: readonly Step[];
  readonly state: State;
  readonly lsn?: string;
  readonly reason?: string;
  readonly verified: boolean;
}

export function merge(snapshot: Snapshot, overlay: readonly OverlayEntry[]): Merged {
  const contributions = inOrder(contributionsOf(overlay, snapshot.inbox));
  const layers = new OverlaidRows(snapshot.rows, snapshot.deleted);
  for (const contribution of contributions) layers.apply(contribution.steps, contribution.stamp);

  const contributionsTo = new Map<string, Contribution[]>();
  for (const contribution of contributions) {
    for (const id of contribution.recordIds)
      contributionsTo.set(id, [...(contributionsTo.get(id) ?? []), contribution]);
  }
  const recordsOf = (table: BufferedTable) =>
    new Map(
      [...layers.of(table)].map(([id, values]) => {
        const sync = syncOf(contributionsTo.get(id) ?? []);
        if (snapshot.unseen) return [id, { id, values, sync: { ...sync, unseen: snapshot.unseen } }];
        // no known transaction creates it: it was deleted or never started, and main will judge
        return [
          id,
          { id, values, sync: layers.isCreated(table, id) ? sync : { ...sync, verified: false as const } },
        ];
      }),
    );
  return byTable(recordsOf);
}

function contributionsOf(overlay: readonly OverlayEntry[], inbox: readonly InboxRow[]): Contribution[] {
  const recorded = new Map(inbox.map((row) => [row.id, row]));
  const buffered = overlay.map((entry): Contribution => {
    const { transaction, lsn, reason, verified } = entry;
    const row = recorded.get(transaction.id);
    const identity = {
      id: transaction.id,
      stamp: transaction.stamp,
      aggregates: aggregatesOf(transaction),
      recordIds: recordIdsOf(transaction),
      ...(lsn !== undefined && { lsn }),
    };
    const isRefused = row ? row.outcome === 'refused' : entry.refused;
    // an existing record with this id is not the one that was refused
    if (isRefused && startedBy(transaction).length > 0)
      return { ...identity, recordIds: [], state: 'failed', steps: [], starts: [], verified };
    if (row) return { ...identity, ...judgedByMain(row), ...effectOf(row, parkedSteps(row)) };
    return {
      ...identity,
      state: entry.state,
      ...(reason && { reason }),
      verified,
      // a refused or discarded transaction has no effect, even before the replica shows its outcome
      ...effectOf(transaction, !lifecycle[entry.state].hasEffect || entry.refused ? [] : transaction.steps),
    };
  });
  const known = new Set(buffered.map((contribution) => contribution.id));
  const parked = inbox
    .filter((row) => row.outcome === 'parked' && !known.has(row.id))
    .map((row): Contribution => ({
      id: row.id,
      stamp: row.stamp,
      aggregates: aggregatesOf(row),
      recordIds: row.recordIds,
      ...judgedByMain(row),
      ...effectOf(row, parkedSteps(row)),
    }));
  return [...buffered, ...parked];
}

/** A start without effect starts nothing: changes come after the start that replaced it. */
function effectOf(named: Parameters<typeof aggregatesOf>[0], steps: readonly Step[]) {
  return { steps, starts: startedBy({ ...named, steps }) };
}

function judgedByMain(row: InboxRow): Pick<Contribution, 'state' | 'reason' | 'verified'> {
  const state = stateOfInbox(row);
  return {
    // the replica that shows the inbox row also contains its effect
    state: state === 'committed' ? 'replicated' : state,
    ...(state === 'failed' && row.reason !== null && { reason: row.reason }),
    verified: row.parkedFor !== 'start',
  };
}

function parkedSteps(row: InboxRow): readonly Step[] {
  return row.outcome === 'parked' ? ((row.steps ?? []) as readonly Step[]) : [];
}

/** Where a record is: the least advanced of its transactions that are not cleaned; failed, if one of them is. */
function syncOf(contributions: readonly Contribution[]): Sync {
  const least = contributions.reduce<Contribution | undefined>(
    (worst, contribution) =>
      worst === undefined || lifecycle[contribution.state].advance < lifecycle[worst.state].advance
        ? contribution
        : worst,
    undefined,
  );
  if (least === undefined) return { state: 'replicated' };
  const positions = contributions.flatMap(({ lsn }) => (lsn === undefined ? [] : [readLsn(lsn).value]));
  const newest = positions.reduce((highest, lsn) => (lsn > highest ? lsn : highest), 0n);
  const state = lifecycle[least.state].sync;
  const showsLsn = (state === 'committed' || state === 'replicated') && newest > 0n;
  return {
    state,
    ...(showsLsn && { lsn: writeLsn(newest) }),
    ...(state === 'failed' && { reason: least.reason ?? 'main could not apply it' }),
    ...(contributions.some((contribution) => !contribution.verified) && { verified: false as const }),
  };
}
