import { describe, expect, it } from 'vitest';
import {
  dayObsOf,
  instantOfMicroseconds,
  microsecondsOf,
  millisecondsOf,
  nightOf,
  parseInstant,
} from '../../lib/values/instant.ts';

describe('parseInstant', () => {
  it.each([
    ['2026-10-01T11:10:00Z', '2026-10-01T11:10:00.000000Z'],
    ['2026-10-01 11:10:00z', '2026-10-01T11:10:00.000000Z'],
    ['2026-10-01T08:10:00-03:00', '2026-10-01T11:10:00.000000Z'],
    ['2026-10-01T08:10:00.5-0300', '2026-10-01T11:10:00.500000Z'],
    ['2026-10-01T08:10:00-03', '2026-10-01T11:10:00.000000Z'],
    ['2026-10-01T11:10:00,123456Z', '2026-10-01T11:10:00.123456Z'],
    ['2026-10-01T11:10:00.123456000Z', '2026-10-01T11:10:00.123456Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
  ])('reads %s as %s', (text, instant) => {
    expect(parseInstant(text)).toEqual({ instant, isLeapSecond: false });
  });

  it.each([
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000000Z'],
    ['2016-12-31T20:59:60.250-03:00', '2017-01-01T00:00:00.250000Z'],
  ])('reads the leap second %s as %s and marks it', (text, instant) => {
    expect(parseInstant(text)).toEqual({ instant, isLeapSecond: true });
  });

  it.each([
    '2026-10-01',
    '2026-10-01T11:10:00',
    '2026-02-30T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-10-00T00:00:00Z',
    '2026-10-01T25:00:00Z',
    '2026-10-01T24:00:00Z',
    '2026-10-01T23:60:00Z',
    '2026-10-01T12:59:61Z',
    '2016-12-31T23:59:60+00:30:00',
    '2026-10-01T11:10:00.1234567Z',
    '2026-10-01T11:10:00+16:00',
    '9999-12-31T23:59:59-04:00',
    '9999-12-31T23:59:60Z',
    '0001-01-01T00:00:00+01:00',
    '0000-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    'infinity',
    'now',
    '',
  ])('refuses %j', (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });
});

it('microsecondsOf and instantOfMicroseconds are inverse, also before 1970', () => {
  for (const text of [
    '0001-01-01T00:00:00.000001Z',
    '1969-12-31T23:59:59.999999Z',
    '9999-12-31T23:59:59.999999Z',
  ]) {
    const instant = parseInstant(text)?.instant;
    if (instant === undefined) throw new Error(text);
    expect(instantOfMicroseconds(microsecondsOf(instant))).toBe(text);
    expect(BigInt(millisecondsOf(instant))).toBe(
      (microsecondsOf(instant) - (((microsecondsOf(instant) % 1000n) + 1000n) % 1000n)) / 1000n,
    );
  }
  expect(() => instantOfMicroseconds(253402300800000000n)).toThrow(RangeError);
});

it('nightOf and dayObsOf count nights from noon to noon', () => {
  const noon = nightOf('2026-10-01').from;
  expect(noon).toBe('2026-10-01T12:00:00.000000Z');
  expect(dayObsOf(noon)).toBe(20261001);
  expect(dayObsOf(instantOfMicroseconds(microsecondsOf(noon) - 1n))).toBe(20260930);
  expect(nightOf('9999-12-31')).toEqual({ from: '9999-12-31T12:00:00.000000Z' });
});
