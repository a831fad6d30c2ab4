import type { Mutation } from '../mutation.ts';

const instant = { file: 'lib/values/instant.ts', test: 'unit/instant.test.ts' };
const json = { file: 'lib/values/json.ts', test: 'unit/json.test.ts' };
const lifecycle = { file: 'lib/transaction/lifecycle.ts', test: 'unit/lifecycle.test.ts' };

export const valueMutations: readonly Mutation[] = [
  {
    ...instant,
    id: 'instant-outside-the-calendar',
    replace: 'if (milliseconds < firstMilliseconds || milliseconds > lastMilliseconds) return undefined;',
    by: '',
    named: 'refuses',
  },
  {
    ...instant,
    id: 'instant-finer-than-a-microsecond',
    replace: 'if (/[^0]/.test(fraction.slice(6))) return undefined;',
    by: '',
    named: 'refuses',
  },
  {
    ...instant,
    id: 'instant-on-a-day-that-does-not-exist',
    replace: 'day > 0 && day <= days',
    by: 'day > 0 && day <= 31',
    named: 'refuses',
  },
  {
    ...instant,
    id: 'instant-offset-added-instead-of-taken-off',
    replace: "return (offset.startsWith('-') ? -1 : 1)",
    by: "return (offset.startsWith('-') ? 1 : -1)",
    named: 'reads',
  },
  {
    ...json,
    id: 'json-digits-rounded',
    replace: 'if (!mayLoseDigits.test(text)) return JSON.parse(text) as Json;',
    by: 'return JSON.parse(text) as Json;',
    named: 'and writes it as',
  },
  {
    ...json,
    id: 'json-small-numbers-take-an-exponent',
    replace: String.raw`|-?0\.000000|`,
    by: '|',
    named: 'and writes it as',
  },
  {
    ...json,
    id: 'json-number-without-bound',
    replace: 'if (before.length > maxDigits || after.length > maxDigits) return undefined;',
    by: '',
    named: 'writes',
  },
  {
    ...json,
    id: 'identity-of-numbers-by-their-spelling',
    replace: 'if (isRawNumber(each)) return normalized(each.rawJSON);',
    by: '',
    named: 'identityJson',
  },
  {
    ...lifecycle,
    id: 'lifecycle-failed-is-not-the-least-advanced',
    replace: 'advance: 0,',
    by: 'advance: 4,',
  },
  {
    file: 'lib/values/integer.ts',
    test: 'unit/integer.test.ts',
    id: 'whole-number-of-one-spelling',
    replace: 'z.pipe(z.transform(asDouble), bounded(minimum, maximum))',
    by: 'bounded(minimum, maximum)',
  },
];
