/**
 * The states of an accepted transaction, once: readers, marks, the change feed, counts and decisions all read this table.
 * At main a state is a function of three columns of `inbox` (`stateOfInbox`), and replication adds the last one.
 */

export const states = ['buffered', 'waiting', 'committed', 'replicated', 'failed', 'discarded'] as const;
export type State = (typeof states)[number];

/** States of a record, as `sync.state` gives them. */
export const syncStates = ['buffered', 'committed', 'replicated', 'failed'] as const;
export type SyncState = (typeof syncStates)[number];

interface Rules {
  /** how a record reads whose transaction is here */
  readonly sync: SyncState;
  /** entry of the change feed when a transaction comes here; undefined: the feed does not mention it */
  readonly change: 'buffered' | 'waiting' | 'committed' | 'replicated' | 'failed' | undefined;
  /** a record is where the least advanced of its transactions is */
  readonly advance: number;
  /** nothing moves it on by itself */
  readonly isFinal: boolean;
  /** main has recorded it without applying it: it is listed, and people may decide about it */
  readonly isSetAside: boolean;
  /** its steps are laid over the rows of a replica that does not contain it */
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

/** States that main can record; `replicated` is what a replica adds to `committed`. */
export type RecordedState = Exclude<State, 'buffered' | 'replicated'>;

/** The same function as `inbox_state` at main; a test compares them. */
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
