/** The commands of a history. */
import { fc } from '../../support/property.ts';
import { poisonKinds, type PoisonKind } from '../storm/poison.ts';

/** A step of the system. It changes no answer, except for writes that main refuses or an admin has discarded. */
export type Move =
  | {
      readonly kind: 'execute';
      readonly count: number;
      readonly dies: 'no' | 'before commit' | 'before mark';
    }
  | { readonly kind: 'replay'; readonly replica: number }
  | { readonly kind: 'confirm' };

/** Whether the instance that accepts it has a clock minutes ahead of the others. */
interface Clock {
  readonly isAhead: boolean;
}

interface Place {
  readonly minute: number;
  readonly obsUnitId: number;
}

/** `unit` and `transaction` are indexes in order of acceptance, modulo their number. */
export type Command =
  | Move
  | (Clock &
      Place & {
        readonly kind: 'start';
        /** several starts are within one millisecond */
        readonly microsecond: number;
        /** for a unit that was finished before its start, or whose start was discarded, if there is one */
        readonly isLate: boolean;
      })
  | (Clock & { readonly kind: 'finish'; readonly unit: number; readonly end: number })
  /** for a unit whose start comes later, or never */
  | (Clock & { readonly kind: 'finish first'; readonly end: number })
  | (Clock & {
      readonly kind: 'update';
      readonly unit: number;
      readonly field: string;
      readonly value: number;
    })
  | (Clock & { readonly kind: 'delete'; readonly unit: number })
  /** a start that main cannot apply, or only with difficulty */
  | { readonly kind: 'poison'; readonly poison: PoisonKind }
  | { readonly kind: 'unreadable'; readonly which: number }
  /** an admin retries or discards a transaction in any state */
  | { readonly kind: 'decide'; readonly action: 'retry' | 'discard'; readonly transaction: number }
  /** another program changes a row at main, if there is one */
  | (Place & {
      readonly kind: 'sql';
      readonly unit: number;
      readonly change: 'move' | 'delete' | 'fail' | 'run' | 'insert';
    })
  | { readonly kind: 'rebuild'; readonly replica: number }
  | { readonly kind: 'failover' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'read'; readonly during: readonly Move[] }
  | {
      /** the next page of a listing, or all of its pages */
      readonly kind: 'page' | 'pages';
      readonly limit: number;
      /** for a new listing: only running units, or all */
      readonly running: boolean;
      readonly during: readonly Move[];
    }
  /** a command during a fault */
  | { readonly kind: 'under'; readonly fault: Fault; readonly command: Command };

const faults = ['redis is full', 'main is read-only', 'near hangs', 'far hangs'] as const;
export type Fault = (typeof faults)[number];

const replica = fc.nat(1);
const unit = fc.nat(7);
const place = { minute: fc.nat(7), obsUnitId: fc.integer({ min: 1, max: 2 }) };
const isAhead = fc.boolean();
const end = fc.integer({ min: 1, max: 3 });

const execute = fc.record({
  kind: fc.constant('execute' as const),
  count: fc.integer({ min: 1, max: 4 }),
  dies: fc.oneof(
    { weight: 4, arbitrary: fc.constant('no' as const) },
    { weight: 1, arbitrary: fc.constantFrom('before commit' as const, 'before mark' as const) },
  ),
});
const replay = fc.record({ kind: fc.constant('replay' as const), replica });
const confirm = fc.record({ kind: fc.constant('confirm' as const) });
const move: fc.Arbitrary<Move> = fc.oneof(execute, replay, replay, confirm);
const during = fc.array(move, { maxLength: 5 });

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });

const write: fc.Arbitrary<Command> = fc.oneof(
  weighted(
    4,
    fc.record({
      kind: fc.constant('start' as const),
      isAhead,
      ...place,
      microsecond: fc.nat(2),
      isLate: fc.boolean(),
    }),
  ),
  weighted(3, fc.record({ kind: fc.constant('finish' as const), isAhead, unit, end })),
  weighted(1, fc.record({ kind: fc.constant('finish first' as const), isAhead, end })),
  weighted(
    3,
    fc.record({
      kind: fc.constant('update' as const),
      isAhead,
      unit,
      field: fc.constantFrom('a', 'b'),
      value: fc.nat(9),
    }),
  ),
  weighted(1, fc.record({ kind: fc.constant('delete' as const), isAhead, unit })),
  weighted(1, fc.record({ kind: fc.constant('poison' as const), poison: fc.constantFrom(...poisonKinds) })),
  weighted(
    2,
    fc.record({
      kind: fc.constant('decide' as const),
      action: fc.constantFrom('retry' as const, 'discard' as const, 'discard' as const),
      transaction: fc.nat(30),
    }),
  ),
);

const reading: fc.Arbitrary<Command> = fc.oneof(
  weighted(4, fc.record({ kind: fc.constant('read' as const), during })),
  weighted(
    6,
    fc.record({
      kind: fc.constantFrom('page' as const, 'pages' as const),
      limit: fc.integer({ min: 1, max: 4 }),
      running: fc.boolean(),
      during,
    }),
  ),
);

const unreadable = fc.record({ kind: fc.constant('unreadable' as const), which: fc.nat(3) });

const command: fc.Arbitrary<Command> = fc.oneof(
  weighted(15, write),
  weighted(8, move),
  weighted(10, reading),
  weighted(
    4,
    fc.record({
      kind: fc.constant('sql' as const),
      unit,
      change: fc.constantFrom('move', 'move', 'fail', 'run', 'insert', 'delete'),
      ...place,
    }),
  ),
  weighted(1, fc.record({ kind: fc.constant('rebuild' as const), replica })),
  weighted(1, fc.record({ kind: fc.constant('failover' as const) })),
  weighted(2, fc.record({ kind: fc.constant('settle' as const) })),
  weighted(
    3,
    fc.record({
      kind: fc.constant('under' as const),
      fault: fc.constantFrom(...faults),
      command: fc.oneof(weighted(3, write), weighted(3, move), weighted(2, reading), weighted(1, unreadable)),
    }),
  ),
  weighted(1, unreadable),
);

export const histories = fc.array(command, { minLength: 10, maxLength: 50 });
