import { expect, it } from 'vitest';
import { giveBackSeconds } from '../../functions/process/hand-back.ts';
import { delayOfRound } from '../../lib/replication/schedule-check.ts';
import { classifyFailure } from '../../lib/transaction/failure.ts';

it.each([
  [undefined, 'transient'],
  ['08006', 'transient'],
  ['25006', 'transient'],
  ['40P01', 'transient'],
  ['53300', 'transient'],
  ['57P01', 'transient'],
  ['42883', 'transient'],
  ['23503', 'dependency'],
  ['23514', 'permanent'],
  ['22P02', 'permanent'],
] as const)('SQLSTATE %s is %s', (sqlState, expected) => {
  expect(classifyFailure(sqlState)).toBe(expected);
});

it('gives messages back later each time, with full jitter, and never beyond 75 s', () => {
  for (const count of [1, 2, 5, 10, 1000]) {
    const [least, most] = [giveBackSeconds('left', count, 0), giveBackSeconds('left', count, 0.999_999)];
    expect(least).toBe(1);
    expect(most).toBeLessThanOrEqual(75);
    expect(most).toBeGreaterThanOrEqual(Math.min(75, 2 * 2 ** Math.min(count, 7)));
  }
  expect(giveBackSeconds('busy', 7, 0.5)).toBe(3);
});

it('checks the replicas soon at first, and once a minute in the end', () => {
  expect([0, 1, 2, 5, 6, 60].map(delayOfRound)).toEqual([1, 2, 4, 32, 60, 60]);
});
