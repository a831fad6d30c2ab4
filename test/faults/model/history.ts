/** What happens in one history, and the trivially right model of what a reader must see. */
import { fc } from '../../support/property.ts';
import type { PoisonKind } from '../storm/poison.ts';

/** What moves the system, and changes nothing that a reader may see. */
export type Move =
  | {
      readonly kind: 'execute';
      readonly count: number;
      readonly dies: 'no' | 'before commit' | 'before mark';
    }
  | { readonly kind: 'replay'; readonly replica: number }
  | { readonly kind: 'confirm' };

/** Whether the clock of the door that takes it is minutes ahead of the others. */
interface Clock {
  readonly isAhead: boolean;
}

/** `unit` counts the units in the order of their starts, modulo how many there are. */
export type Command =
  | Move
  | (Clock & {
      readonly kind: 'start';
      readonly minute: number;
      /** several starts are within one millisecond */
      readonly microsecond: number;
      readonly obsUnitId: number;
    })
  | (Clock & { readonly kind: 'finish'; readonly unit: number; readonly end: number })
  | (Clock & {
      readonly kind: 'update';
      readonly unit: number;
      readonly field: string;
      readonly value: number;
    })
  | (Clock & { readonly kind: 'delete'; readonly unit: number })
  /** a start that main cannot apply */
  | { readonly kind: 'poison'; readonly poison: PoisonKind }
  /** another program changes a row at main */
  | {
      readonly kind: 'sql';
      readonly unit: number;
      readonly change: 'move' | 'delete' | 'fail';
      readonly minute: number;
      readonly obsUnitId: number;
    }
  | { readonly kind: 'rebuild'; readonly replica: number }
  | { readonly kind: 'failover' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'read'; readonly during: readonly Move[] }
  | {
      /** the next page of a listing, or all of its pages */
      readonly kind: 'page' | 'pages';
      readonly limit: number;
      /** of a listing that begins: those that run, or all */
      readonly running: boolean;
      readonly during: readonly Move[];
    };

const replica = fc.nat(1);
const unit = fc.nat(7);
const minute = fc.nat(5);
const obsUnitId = fc.integer({ min: 1, max: 2 });
const isAhead = fc.boolean();
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

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('start' as const),
      isAhead,
      minute,
      microsecond: fc.nat(2),
      obsUnitId,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      isAhead,
      unit,
      end: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      isAhead,
      unit,
      field: fc.constantFrom('a', 'b'),
      value: fc.nat(9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), isAhead, unit }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('poison' as const),
      poison: fc.constantFrom('unknownPlannedUnit', 'statusOfNoRow'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('sql' as const),
      unit,
      change: fc.constantFrom('move' as const, 'delete' as const, 'fail' as const),
      minute,
      obsUnitId,
    }),
  },
  { weight: 8, arbitrary: move },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rebuild' as const), replica }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('failover' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), during }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('page' as const, 'pages' as const),
      limit: fc.integer({ min: 1, max: 4 }),
      running: fc.boolean(),
      during,
    }),
  },
);

export const histories = fc.array(command, { minLength: 10, maxLength: 50 });

export interface ModelUnit {
  readonly obs_unit_id: number;
  readonly start_time: string;
  readonly status: string;
  readonly end_time: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Every acknowledged write at once, in one place. */
export class Model {
  readonly units = new Map<string, ModelUnit>();
  readonly ids: string[] = [];

  start(id: string, made: Pick<ModelUnit, 'obs_unit_id' | 'start_time'>): void {
    this.ids.push(id);
    this.units.set(id, { ...made, status: 'running', end_time: null, metadata: {} });
  }

  finish(id: string, end_time: string): void {
    const present = this.units.get(id);
    if (present?.status === 'running') this.units.set(id, { ...present, status: 'completed', end_time });
  }

  /** Another program has changed it. */
  change(id: string, values: Partial<ModelUnit>): void {
    const present = this.units.get(id);
    if (present) this.units.set(id, { ...present, ...values });
  }

  update(id: string, metadata: Readonly<Record<string, unknown>>): void {
    const present = this.units.get(id);
    if (present) this.units.set(id, { ...present, metadata: { ...present.metadata, ...metadata } });
  }

  delete(id: string): void {
    this.units.delete(id);
  }
}
