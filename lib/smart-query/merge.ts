/**
 * The merge: rows of a replica, and over them what is accepted but not in that replica yet. Pure, and one for every table
 * whose rows are recorded through the buffer.
 *
 * What the replica's inbox contains has its effect in the rows already and adds nothing, whatever the buffer still says.
 * What is parked there has none, and is laid over the rows like what is still buffered.
 */
import type { OverlayEntry } from '../buffer/overlay.ts';
import type { Sync } from '../observation/sync.ts';
import { lifecycle, stateOfInbox, type State } from '../transaction/lifecycle.ts';
import type { InboxRow } from '../postgres/inbox.ts';
import { writeLsn, readLsn } from '../values/lsn.ts';
import { LaidRows, type Rows } from '../table/lay.ts';
import { byTable, type BufferedTable } from '../table/tables.ts';
import { isStart, recordIdsOf, type Step } from '../transaction/transaction.ts';

export type { Row } from '../table/lay.ts';

/** What one replica shows in one statement; without an answer of any replica, what the buffer alone knows. */
export interface Snapshot {
  readonly rows: Rows;
  /** ids of records that were deleted: nothing revives them */
  readonly deleted: readonly string[];
  /** the overlay's transactions, and those parked for these records */
  readonly inbox: readonly InboxRow[];
  /** what could not be looked at */
  readonly unseen?: 'replica';
}

/** A record as everything that is known makes it. */
export interface MergedRecord {
  readonly id: string;
  /** column → JSON value; a column that nobody has written may be missing */
  readonly values: Readonly<Record<string, unknown>>;
  readonly sync: Sync;
}

/** By table and id, in no order. */
export type Merged = Readonly<Record<BufferedTable, ReadonlyMap<string, MergedRecord>>>;

/** A transaction that still has something to say about its records. */
interface Voice {
  readonly id: string;
  readonly stamp: number;
  readonly recordIds: readonly string[];
  /** empty if the rows contain its effect */
  readonly steps: readonly Step[];
  readonly state: State;
  readonly lsn?: string;
  readonly reason?: string;
  readonly verified: boolean;
}

export function merge(snapshot: Snapshot, overlay: readonly OverlayEntry[]): Merged {
  const voices = voicesOf(overlay, snapshot.inbox).sort(inOrder);
  const layers = new LaidRows(snapshot.rows, snapshot.deleted);
  for (const voice of voices) layers.lay(voice.steps, voice.stamp);

  const voicesAbout = new Map<string, Voice[]>();
  for (const voice of voices) {
    for (const id of voice.recordIds) voicesAbout.set(id, [...(voicesAbout.get(id) ?? []), voice]);
  }
  const recordsOf = (table: BufferedTable) =>
    new Map(
      [...layers.of(table)].map(([id, values]) => {
        const sync = syncOf(voicesAbout.get(id) ?? []);
        if (snapshot.unseen) return [id, { id, values, sync: { ...sync, unseen: snapshot.unseen } }];
        // nothing that is known has made it: it was deleted, or never started, and main will judge
        return [
          id,
          { id, values, sync: layers.isMade(table, id) ? sync : { ...sync, verified: false as const } },
        ];
      }),
    );
  return byTable(recordsOf);
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
    const isRefused = row ? row.outcome === 'refused' : entry.refused;
    // the record that was there before is not the one that was refused
    if (isRefused && isStart(transaction))
      return { ...said, recordIds: [], state: 'failed', steps: [], verified };
    if (row) return { ...said, ...saidByMain(row), steps: parkedSteps(row) };
    return {
      ...said,
      state: entry.state,
      ...(reason && { reason }),
      verified,
      // what main has refused or given up has no effect anywhere, also while the replica does not know it yet
      steps: !lifecycle[entry.state].hasEffect || entry.refused ? [] : transaction.steps,
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
  const state = stateOfInbox(row);
  return {
    // the replica that shows the row contains what it says
    state: state === 'committed' ? 'replicated' : state,
    ...(state === 'failed' && row.reason !== null && { reason: row.reason }),
    verified: row.parkedFor !== 'start',
  };
}

function parkedSteps(row: InboxRow): readonly Step[] {
  return row.outcome === 'parked' ? ((row.steps ?? []) as readonly Step[]) : [];
}

/** As main applies them: a start before what needs it, then by stamp. */
function inOrder(a: Voice, b: Voice): number {
  return Number(isStart(b)) - Number(isStart(a)) || a.stamp - b.stamp || (a.id < b.id ? -1 : 1);
}

/** Where a record is: the least advanced of its transactions that are not cleaned; failed, if one of them is. */
function syncOf(voices: readonly Voice[]): Sync {
  const least = voices.reduce<Voice | undefined>(
    (worst, voice) =>
      worst === undefined || lifecycle[voice.state].advance < lifecycle[worst.state].advance ? voice : worst,
    undefined,
  );
  if (least === undefined) return { state: 'replicated' };
  const positions = voices.flatMap(({ lsn }) => (lsn === undefined ? [] : [readLsn(lsn).value]));
  const newest = positions.reduce((highest, lsn) => (lsn > highest ? lsn : highest), 0n);
  const state = lifecycle[least.state].sync;
  const showsLsn = (state === 'committed' || state === 'replicated') && newest > 0n;
  return {
    state,
    ...(showsLsn && { lsn: writeLsn(newest) }),
    ...(state === 'failed' && { reason: least.reason ?? 'main could not apply it' }),
    ...(voices.some((voice) => !voice.verified) && { verified: false as const }),
  };
}
