/** Arbitrary bodies of a start as JSON text, with their meaning. */
import { fc } from '../support/property.ts';
import { arbitraryInstant, type ArbitraryInstant } from './arbitrary-instants.ts';

export interface ArbitraryBody {
  /** JSON text of the metadata */
  readonly metadata: string;
  readonly start: ArbitraryInstant | undefined;
  readonly modules: readonly number[];
}

const digits = (min: number, max: number) =>
  fc.array(fc.nat(9), { minLength: min, maxLength: max }).map((each) => each.join(''));
const integer = fc.oneof(
  fc.constant('0'),
  fc.tuple(fc.integer({ min: 1, max: 9 }), digits(0, 24)).map(([first, rest]) => `${first}${rest}`),
);
const numberText = fc
  .record({
    sign: fc.constantFrom('', '', '-'),
    integer,
    fraction: fc.option(digits(1, 22), { nil: undefined }),
    exponent: fc.option(
      fc.tuple(fc.constantFrom('e', 'E', 'e+', 'e-', 'E-'), fc.integer({ min: 0, max: 40 }).map(String)),
      { nil: undefined },
    ),
  })
  .map(
    (n) =>
      n.sign + n.integer + (n.fraction === undefined ? '' : `.${n.fraction}`) + (n.exponent?.join('') ?? ''),
  );

const oddTexts = [
  '"__proto__"',
  '"constructor"',
  '"toString"',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"\\ufffe"',
  '"\\ud83d\\ude00"',
  '"é"',
  '"2026-10-01T00:00:00Z"',
  '"null"',
  '"\\u2028"',
  '"a.b"',
  '"k:1"',
  '"\\\\\\""',
];
const textText = fc.oneof(
  fc.constantFrom(...oddTexts),
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => JSON.stringify(text)),
);
const keyText = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('"a"', '"b"', '"c d"', '"1"') }, textText);
const { object } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(numberText, numberText, textText, fc.constantFrom('true', 'false', 'null', '[]', '{}')),
    fc.array(tie('value'), { maxLength: 4 }).map((each) => `[${each.join(', ')}]`),
    tie('object'),
  ),
  object: fc
    .array(fc.tuple(keyText, tie('value')), { maxLength: 4 })
    .map((each) => `{${each.map(([key, value]) => `${key}: ${value}`).join(',')}}`),
}));

export const arbitraryBody: fc.Arbitrary<ArbitraryBody> = fc.record({
  metadata: object,
  start: fc.option(arbitraryInstant, { nil: undefined, freq: 3 }),
  modules: fc.array(fc.integer({ min: 1, max: 2_147_483_647 }), { maxLength: 3 }),
});
