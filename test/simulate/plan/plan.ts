/** What happens in one history: drawn from its seed, as data, so that a part can be left out and the rest run again. */
import type { StoreName } from '../engine/scheduler.ts';
import { poisonKinds, type PoisonKind } from '../../faults/storm/poison.ts';

/**
 * A column that main does not have waits for a person; thousands of keys take longer than a whole history. `tooSlow` stands for
 * them: no call in which it stands ends in time.
 */
export const poisons = [
  ...poisonKinds.filter(
    (kind): kind is Exclude<PoisonKind, 'unknownColumn' | 'manyKeys'> =>
      kind !== 'unknownColumn' && kind !== 'manyKeys',
  ),
  'tooSlow' as const,
];
export type Poison = (typeof poisons)[number];

/** Stands in what `tooSlow` sends. */
export const slowMark = 'too slow for main';

interface At {
  readonly id: number;
  /** ms after the one before it */
  readonly after: number;
  /** ms that the clock of the door that takes it is ahead */
  readonly skew: number;
}

/** Units are named by a number: which id that is the history says. */
export type Action =
  /** an operation of the contracts that records something */
  | {
      readonly kind: 'write';
      readonly operation: string;
      readonly unit: number;
      readonly body: Readonly<Record<string, unknown>>;
      readonly key: string | undefined;
      readonly principal: number;
    }
  /** the same request again, under the same key, as a client repeats it: perhaps in another spelling */
  | { readonly kind: 'repeat'; readonly of: number; readonly isRespelled: boolean }
  /** another request under the key of an earlier one */
  | { readonly kind: 'reuse'; readonly of: number; readonly body: Readonly<Record<string, unknown>> }
  /** rows of any buffered table, through the door that every transaction passes */
  | { readonly kind: 'rows'; readonly unit: number; readonly steps: readonly RowStep[] }
  | { readonly kind: 'poison'; readonly poison: Poison; readonly unit: number }
  | { readonly kind: 'unreadable'; readonly which: number }
  | { readonly kind: 'read'; readonly unit: number }
  | { readonly kind: 'list'; readonly query: string; readonly limit: number }
  | { readonly kind: 'status'; readonly of: number }
  | { readonly kind: 'decide'; readonly action: 'retry' | 'discard'; readonly of: number }
  /** another program changes main by plain SQL */
  | { readonly kind: 'sql'; readonly unit: number; readonly change: 'move' | 'delete' | 'fail' | 'reopen' };

export interface RowStep {
  readonly kind: 'create' | 'update' | 'delete';
  readonly table: string;
  /** of the table's rows of this unit */
  readonly row: number;
  readonly values: Readonly<Record<string, unknown>>;
}

export type Event = At & Action;

/** Something goes wrong at the nth call of a store. */
export interface CallFault {
  readonly kind: 'call';
  readonly store: StoreName;
  readonly phase: 'before' | 'after';
  readonly nth: number;
  /** `cut`: a script of Redis ends after some of its commands, without an answer */
  readonly does: 'fail' | 'kill' | 'freeze' | 'cut';
}

export const outages = [
  'redis away',
  'redis full',
  'queue away',
  'main away',
  'main read-only',
  'main not sound',
  'replicas away',
  'near hangs',
  'near paused',
  'both paused',
] as const;

export const losses = [
  'redis emptied',
  'redis rolled back',
  'main fails over',
  'near rebuilt',
  'near promoted',
] as const;

/** The state of a store, for a while. */
export interface Outage {
  readonly kind: 'outage';
  readonly what: (typeof outages)[number];
  /** ms after the begin of the history, and for how long */
  readonly at: number;
  readonly lasts: number;
}

/** A store loses something at once. @param since of a rollback: what it had then is what it has after */
export interface Loss {
  readonly kind: 'loss';
  readonly what: (typeof losses)[number];
  readonly at: number;
  readonly since: number;
}

/** What becomes of the nth message. */
export interface MessageFault {
  readonly kind: 'message';
  readonly nth: number;
  readonly fate: 'lost' | 'twice' | 'late';
}

export type Fault = CallFault | Outage | Loss | MessageFault;

export interface Plan {
  readonly seed: number;
  readonly events: readonly Event[];
  readonly faults: readonly Fault[];
}
