/**
 * The states of an accepted transaction: the table that reads, marks, the change feed, counts and decisions all use. At main, a state is
 * a function of three columns of `inbox` (`stateOfInbox`); `replicated` follows from a replica.
 */

export const states = ['buffered', 'waiting', 'committed', 'replicated', 'failed', 'discarded'] as const;
export type State = (typeof states)[number];

/** States of a record in `sync.state`. */
export const syncStates = ['buffered', 'committed', 'replicated', 'failed'] as const;
export type SyncState = (typeof syncStates)[number];

interface Rules {
  /** state of a record whose transaction is in this state */
  readonly sync: SyncState;
  /** entry of the change feed when a transaction enters this state; undefined for no entry */
  readonly change: 'buffered' | 'waiting' | 'committed' | 'replicated' | 'failed' | undefined;
  /** order of states: a record has the state of its least advanced transaction */
  readonly advance: number;
  /** the state does not change without a decision of an admin */
  readonly isFinal: boolean;
  /** main has recorded the transaction without applying it: it is listed, and admins may decide about it */
  readonly isSetAside: boolean;
  /** reads apply its steps to the rows of a replica that does not contain it */
  readonly hasEffect: boolean;
}

export const lifecycle: Readonly<Record<State, Rules>> = {
  buffered: {
    sync: 'buffered',
    change: 'buffered',
    advance: 1,
    isFinal: false,
    isSetAside: false,
    hasEffect: true,
  },
  waiting: {
    sync: 'buffered',
    change: 'waiting',
    advance: 1,
    isFinal: false,
    isSetAside: true,
    hasEffect: true,
  },
  committed: {
    sync: 'committed',
    change: 'committed',
    advance: 2,
    isFinal: false,
    isSetAside: false,
    hasEffect: true,
  },
  replicated: {
    sync: 'replicated',
    change: 'replicated',
    advance: 3,
    isFinal: true,
    isSetAside: false,
    hasEffect: true,
  },
  failed: { sync: 'failed', change: 'failed', advance: 0, isFinal: true, isSetAside: true, hasEffect: true },
  discarded: {
    sync: 'replicated',
    change: undefined,
    advance: 3,
    isFinal: true,
    isSetAside: false,
    hasEffect: false,
  },
};

export const outcomes = ['applied', 'refused', 'parked', 'discarded'] as const;
export type Outcome = (typeof outcomes)[number];

export const parkingReasons = ['start', 'behind', 'failed'] as const;
export type ParkedFor = (typeof parkingReasons)[number];

/** States that main can record. A committed transaction becomes `replicated` at a replica. */
export type RecordedState = Exclude<State, 'buffered' | 'replicated'>;

/** Same as `inbox_state` at main; a test compares them. */
export function stateOfInbox(row: {
  readonly outcome: Outcome;
  readonly parkedFor: ParkedFor | null;
  readonly overdue: boolean;
}): RecordedState {
  switch (row.outcome) {
    case 'applied':
      return 'committed';
    case 'discarded':
      return 'discarded';
    case 'refused':
      return 'failed';
    case 'parked':
      return row.parkedFor === 'failed' || row.overdue ? 'failed' : 'waiting';
  }
}
