/** Arbitrary executed units in every state, and list requests. */
import { fc } from '../support/property.ts';

/** A planned unit of the seed whose starts main refuses as data. */
export const failingUnit = 299;
/** A planned unit that main does not have: a start of it waits. */
const unknownUnit = 5_000;
const units = [3, 4, 7, 8];

export interface ArbitraryRecord {
  readonly origin: 'sql' | 'api';
  readonly unit: number;
  readonly at: string;
  /** only for SQL: a start time outside the years of the API */
  readonly odd: string | undefined;
  readonly isOddId: boolean;
  /** progress of the start: 0 replicated, 1 committed but not at the replica, 2 buffered */
  readonly start: number;
  /** progress of the finish, at most that of the start */
  readonly finish: number | undefined;
  readonly status: 'completed' | 'aborted' | 'failed';
  /** a change by plain SQL after replication and before the finish */
  readonly move: { readonly column: 'obs_unit_id' | 'start_time'; readonly to: number | string } | undefined;
}

export interface ListQuery {
  readonly limit: number;
  readonly obs_unit_id?: number;
  readonly program?: string;
  readonly source?: string;
  readonly instrument?: string;
  readonly status?: string;
  readonly started_after?: string;
  readonly started_before?: string;
  readonly day_obs?: string;
  /** requests `GET /executed_obs_units/{integer}` with only the limit */
  readonly isByPath?: boolean;
}

/** Few instants, so that they coincide: some within one millisecond, some around noon, where nights change. */
const instants = [
  '2026-10-01T11:59:59.999999Z',
  '2026-10-01T12:00:00.000000Z',
  '2026-10-01T12:00:00.000001Z',
  '2026-10-01T12:00:00.000400Z',
  '2026-10-01T12:00:00.000999Z',
  '2026-10-01T12:00:00.001000Z',
  '2026-10-02T03:00:00.000000Z',
];
const instant = fc.constantFrom(...instants);
/** @param often in tenths */
const optional = <T>(arbitrary: fc.Arbitrary<T>, often = 5) =>
  fc.oneof({ weight: 10 - often, arbitrary: fc.constant(undefined) }, { weight: often, arbitrary });
const unit = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...units) },
  { weight: 1, arbitrary: fc.constantFrom(failingUnit, unknownUnit) },
);
const level = fc.nat(2);

const record = fc.record({
  unit,
  at: instant,
  isOddId: fc.boolean(),
  start: level,
  finish: optional(level),
  status: fc.constantFrom('completed' as const, 'aborted' as const, 'failed' as const),
  move: optional(
    fc.oneof(
      fc.record({ column: fc.constant('obs_unit_id' as const), to: fc.constantFrom(...units) }),
      fc.record({ column: fc.constant('start_time' as const), to: instant }),
    ),
    3,
  ),
});
const odd = optional(
  fc.constantFrom('infinity', '-infinity', '0044-03-15 00:00:00+00 BC', '12026-01-01 00:00:00+00'),
  3,
);

export const arbitraryRecord: fc.Arbitrary<ArbitraryRecord> = fc.oneof(
  { weight: 2, arbitrary: record.map((each) => ({ ...each, origin: 'api' as const, odd: undefined })) },
  {
    weight: 1,
    arbitrary: fc.tuple(record, odd, fc.constantFrom(...units)).map(([each, start, known]) => ({
      ...each,
      origin: 'sql' as const,
      odd: start,
      unit: known,
      start: 0,
    })),
  },
);

const someQuery = fc
  .record({
    limit: fc.integer({ min: 1, max: 5 }),
    obs_unit_id: optional(unit, 3),
    program: optional(fc.constantFrom('WFS', 'EOR', 'GEco', 'CAL', 'NONE'), 3),
    source: optional(fc.constantFrom('Jupiter', 'Wide field', 'E-COSMOS'), 2),
    instrument: optional(fc.constantFrom('Prime-Cam', 'CHAI', 'Mod-Cam'), 2),
    status: optional(fc.constantFrom('running', 'completed', 'aborted', 'failed'), 3),
    started_after: optional(instant, 3),
    started_before: optional(instant, 3),
    day_obs: optional(fc.constantFrom('2026-09-30', '2026-10-01', '2026-10-02'), 2),
  })
  .map(
    (each) =>
      Object.fromEntries(
        Object.entries(each).filter(([, value]) => value !== undefined),
      ) as unknown as ListQuery,
  );

export const arbitraryQuery: fc.Arbitrary<ListQuery> = fc.oneof(
  { weight: 6, arbitrary: someQuery },
  {
    weight: 1,
    arbitrary: fc
      .record({ limit: fc.integer({ min: 1, max: 5 }), obs_unit_id: unit })
      .map((each) => ({ ...each, isByPath: true })),
  },
);
