import { fc, times } from '../support/property.ts';
import { describe, expect, it } from 'vitest';
import { bodyText, readJsonBody } from '../../lib/http/json-body.ts';
import { ProblemError } from '../../lib/http/problem.ts';
import { withDoubles } from '../../lib/values/json.ts';

function problemOf(run: () => unknown) {
  try {
    run();
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a JSON body', () => {
  it.each([
    ['{"a":{"b":1,"b":2}}', 'a.b'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"m":[0,{"__proto__":{}}]}', 'm.1.__proto__'],
    ['{"__proto__":1}', '__proto__'],
    ['{"m":{"x":[1e400]}}', 'm.x.0'],
    ['{"m":{"n":1e-500}}', 'm.n'],
    ['{"m":{"t":"a\\u0000"}}', 'm.t'],
    ['{"m":{"t":"\\ud800"}}', 'm.t'],
    ['{"m":["","\uffff"]}', 'm.1'],
    ['{"m":{"\ufffe":1}}', 'm.\ufffe'],
    [`{"m":"${'x'.repeat(65537)}"}`, 'm'],
    [`{"m":[${'0,'.repeat(10_000)}0]}`, 'm.10000'],
    [`${'['.repeat(18)}${']'.repeat(18)}`, Array(17).fill('0').join('.')],
    [`${'['.repeat(50_000)}1e5${']'.repeat(50_000)}`, Array(17).fill('0').join('.')],
  ])('is refused with the path of the value that cannot be stored (%#)', (text, path) => {
    expect(problemOf(() => readJsonBody(text))).toMatchObject({ status: 400, errors: [{ path }] });
  });

  it.each([
    '{"id":5853498713190525696,"x":0.1234567890123456789,"y":1.50,"z":123456789012345678}',
    '{"b":{"a":[],"c":{}},"a":[1,2,{"a":null}],"text":"1e5 \\\\ \\" {[,:"}',
    '{"a":{"k":1},"b":{"k":1},"k":[{"k":1},{"k":2}]}',
  ])('is returned exactly as sent (%#)', (text) => {
    expect(JSON.stringify(readJsonBody(text))).toBe(text);
  });

  it('may contain exponents as Python writes them', () => {
    expect(JSON.stringify(readJsonBody('[1e-07,1E+2]'))).toBe('[0.0000001,100]');
  });

  it.each(['', undefined])('may be absent', (text) => expect(readJsonBody(text)).toBeUndefined());

  it('is refused with the position of the syntax error when it is not JSON', () => {
    expect(problemOf(() => readJsonBody('{"a": 7'))).toMatchObject({ status: 400, code: 'invalid-json' });
    expect(problemOf(() => readJsonBody('{"a":1}}')).detail).toContain('character 7');
    expect(problemOf(() => readJsonBody('\ufeff{}'))).toMatchObject({ code: 'invalid-json' });
  });

  it('is refused beyond 256 KiB', () => {
    expect(problemOf(() => readJsonBody(`["${'é'.repeat(131_100)}"]`))).toMatchObject({ status: 413 });
  });

  it('is read or refused with a problem, whatever its text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), jsonLike), (text) => {
        try {
          const value = readJsonBody(text);
          if (text !== '') expect(JSON.parse(JSON.stringify(value))).toEqual(withDoubles(JSON.parse(text)));
        } catch (error) {
          if (!(error instanceof ProblemError)) throw error;
        }
      }),
      times(2000),
    );
  });
});

/** Texts that resemble JSON. */
const jsonLike = fc
  .array(
    fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"__proto__"', '1e9', '-0', '1.50', 'null', ' '),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''));

describe('the text of a body', () => {
  const base64 = (...bytes: number[]) => Buffer.from(bytes).toString('base64');

  it('is refused when it is not UTF-8', () => {
    expect(bodyText(base64(0x22, 0xc3, 0xa9, 0x22), true)).toBe('"é"');
    expect(problemOf(() => bodyText(base64(0x22, 0xe9, 0x22), true))).toMatchObject({ status: 400 });
  });

  it('is refused when the gateway has replaced bytes that were not UTF-8', () => {
    expect(problemOf(() => bodyText('{"observer":"Jos\ufffd"}', false))).toMatchObject({ status: 400 });
    expect(bodyText('{"observer":"Jos\\ufffd"}', false)).toBe('{"observer":"Jos\\ufffd"}');
    expect(bodyText(Buffer.from('"\ufffd"').toString('base64'), true)).toBe('"\ufffd"');
  });
});
