import { expect, it } from 'vitest';
import { canonicalTimestamp } from '../../lib/transaction/timestamp.ts';

it.each([
  ['2026-10-01T11:10:00Z', '2026-10-01T11:10:00.000Z'],
  ['2026-10-01 11:10:00z', '2026-10-01T11:10:00.000Z'],
  ['2026-10-01T08:10:00-03:00', '2026-10-01T11:10:00.000Z'],
  ['2026-10-01T08:10:00.5-0300', '2026-10-01T11:10:00.500Z'],
  ['2026-10-01T11:10:00,123456Z', '2026-10-01T11:10:00.123456Z'],
  ['2026-10-01T11:10:00.1234567Z', '2026-10-01T11:10:00.123456Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
])('%s is %s', (text, canonical) => {
  expect(canonicalTimestamp(text)).toBe(canonical);
});

it.each(['2026-10-01', '2026-10-01T11:10:00', '2026-02-30T00:00:00Z', '2026-10-01T25:00:00Z', 'now', ''])(
  '%j is none',
  (text) => {
    expect(canonicalTimestamp(text)).toBeUndefined();
  },
);
