import { fc, times } from '../support/property.ts';
import { describe, expect, it, vi } from 'vitest';
import { canonicalNumber, identityJson, isJsonObject, parseJson } from '../../lib/values/json.ts';

describe('canonicalNumber', () => {
  it.each([
    ['1', '1'],
    ['-0', '0'],
    ['-0.0', '0.0'],
    ['1.50', '1.50'],
    ['1.50e1', '15.0'],
    ['1e-07', '0.0000001'],
    ['1.5E+3', '1500'],
    ['12345e-3', '12.345'],
    ['0.001e2', '0.1'],
    ['5853498713190525696', '5853498713190525696'],
    ['0.1234567890123456789', '0.1234567890123456789'],
    ['1e400', undefined],
    ['1e-401', undefined],
    ['1e999999999', undefined],
  ])('writes %s as %s', (source, digits) => {
    expect(canonicalNumber(source)).toBe(digits);
  });
});

describe('parseJson', () => {
  it('calls JSON.parse without a reviver when no number needs it', () => {
    const parse = vi.spyOn(JSON, 'parse');
    const id = '"01a2132c-7e30-4e57-0e12-1e0000000000"';
    parseJson(
      `{"id":${id},"start_time":"2026-01-01T05:00:10.000000Z","end_time":"2026-01-01T00:00:00.12+00:00",` +
        '"field_stamps":{"status":1795618204063000},"values":[0,-1,1.5,0.25,10,123456789012345]}',
    );
    expect(parse.mock.calls.map((given) => given.length)).toEqual([1]);
    parse.mockRestore();
  });

  it.each([
    ['{"id":5853498713190525696,"n":7}', '{"id":5853498713190525696,"n":7}'],
    ['[0.1234567890123456789]', '[0.1234567890123456789]'],
    ['[1.50,1e-07,1E5,-0,1e21]', '[1.50,0.0000001,100000,0,1000000000000000000000]'],
    ['{"below a millionth":0.0000001}', '{"below a millionth":0.0000001}'],
    ['{"text":"1e5 and 1.50"}', '{"text":"1e5 and 1.50"}'],
  ])('reads %s and writes it as %s', (text, written) => {
    expect(JSON.stringify(parseJson(text))).toBe(written);
  });

  it('returns a number where a double holds the value exactly', () => {
    expect(parseJson('{"a":7,"b":0.1,"c":123456789012345}')).toEqual({ a: 7, b: 0.1, c: 123456789012345 });
  });

  it('returns raw numbers that are not JSON objects', () => {
    expect(isJsonObject(parseJson('5853498713190525696'))).toBe(false);
    expect(isJsonObject(parseJson('{}'))).toBe(true);
  });

  it('writes every number in its canonical spelling', () => {
    const digits = (min: number, max: number) =>
      fc.string({ unit: fc.constantFrom(...'0000123456789'), minLength: min, maxLength: max });
    const number = fc
      .tuple(fc.boolean(), digits(0, 24), digits(0, 24))
      .map(([isNegative, whole, fraction]) => {
        const before = whole.replace(/^0+/, '') || '0';
        return `${isNegative ? '-' : ''}${before}${fraction === '' ? '' : `.${fraction}`}`;
      });
    fc.assert(
      fc.property(number, (source) => {
        expect(JSON.stringify(parseJson(source))).toBe(canonicalNumber(source));
      }),
      times(5000),
    );
  });

  it('throws on a number with more than 400 digits', () => {
    expect(() => parseJson('[1e500]')).toThrow(RangeError);
    expect(() => parseJson('{')).toThrow(SyntaxError);
  });
});

describe('identityJson', () => {
  it('is equal for equal values in any key order and number spelling', () => {
    const text = identityJson(parseJson('{"b":1.50,"a":{"y":1e2,"x":[100.0]}}'));
    expect(text).toBe('{"a":{"x":[100],"y":100},"b":1.5}');
    expect(identityJson(parseJson('{"a":{"x":[1e2],"y":100},"b":15e-1}'))).toBe(text);
  });

  it('distinguishes numbers that share a double', () => {
    expect(identityJson(parseJson('9007199254740993'))).toBe('9007199254740993');
    expect(identityJson(parseJson('9007199254740993.0'))).toBe('9007199254740993');
    expect(identityJson(parseJson('9007199254740992'))).toBe('9007199254740992');
  });

  it('writes doubles as the first release wrote them', () => {
    expect(identityJson(parseJson('[1e21,1e-7,0.1]'))).toBe('[1e+21,1e-7,0.1]');
  });
});
