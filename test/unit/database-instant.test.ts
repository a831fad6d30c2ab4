import { fc } from '../support/property.ts';
import { describe, expect, it } from 'vitest';
import { databaseInstant, sortKeyOf } from '../../lib/values/database-instant.ts';

describe('databaseInstant', () => {
  it.each([
    ['2026-10-01T11:10:00+00:00', '2026-10-01T11:10:00.000000Z'],
    ['2026-10-01T11:10:00.5-04:00', '2026-10-01T15:10:00.500000Z'],
    ['12026-01-01T00:00:00+00:00', '12026-01-01T00:00:00.000000Z'],
    ['294276-12-31T23:59:59.999999+00:00', '294276-12-31T23:59:59.999999Z'],
    ['0044-03-15T00:00:00+00:00 BC', '0044-03-15T00:00:00.000000Z BC'],
    ['4714-11-24T00:00:00+00:00 BC', '4714-11-24T00:00:00.000000Z BC'],
    ['0001-12-31T23:00:00-04:42:46 BC', '0001-01-01T03:42:46.000000Z'],
    ['10000-01-01T01:00:00+02:00', '9999-12-31T23:00:00.000000Z'],
    ['infinity', 'infinity'],
    ['-infinity', '-infinity'],
  ])('reads %s', (text, expected) => {
    expect(databaseInstant(text)).toBe(expected);
    expect(databaseInstant(expected)).toBe(expected);
  });

  it.each(['', 'x', 'Infinity', '12026-01-01', '12026-01-01T00:00:00', '12026-13-01T00:00:00Z', '44 BC'])(
    'refuses %j',
    (text) => {
      expect(databaseInstant(text)).toBeUndefined();
    },
  );

  it('sorts as Postgres does', () => {
    const ascending = [
      '-infinity',
      '4714-11-24T00:00:00.000000Z BC',
      '0044-03-15T00:00:00.000000Z BC',
      '0044-03-15T00:00:00.000001Z BC',
      '0001-12-31T00:00:00.000000Z BC',
      '0001-01-01T00:00:00.000000Z',
      '2026-10-01T00:00:00.000000Z',
      '9999-12-31T23:59:59.999999Z',
      '10000-01-01T00:00:00.000000Z',
      '12026-01-01T00:00:00.000000Z',
      '294276-12-31T00:00:00.000000Z',
      'infinity',
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(ascending, { minLength: 12 }), (shuffled) => {
        const key = (text: string) => sortKeyOf(text);
        expect([...shuffled].sort((a, b) => (key(a) < key(b) ? -1 : 1))).toEqual(ascending);
      }),
    );
  });
});
