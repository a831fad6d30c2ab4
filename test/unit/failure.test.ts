import { expect, it } from 'vitest';
import { retryDelaySeconds } from '../../functions/process/retry.ts';
import { delayOfRound } from '../../lib/replication/schedule-check.ts';
import { subjectOfFailure } from '../../lib/transaction/failure.ts';

it.each([
  [undefined, 'connection'],
  ['08006', 'connection'],
  ['25006', 'connection'],
  ['53300', 'connection'],
  ['57P01', 'connection'],
  ['40P01', 'lock'],
  ['55P03', 'lock'],
  ['57014', 'work'],
  ['54001', 'work'],
  ['23503', 'transaction'],
  ['23514', 'transaction'],
  ['22P02', 'transaction'],
  ['OP001', 'transaction'],
  ['42883', 'deployment'],
  ['42501', 'deployment'],
  ['P0001', 'deployment'],
  ['53100', 'deployment'],
] as const)('subjectOfFailure attributes SQLSTATE %s to the %s', (sqlState, expected) => {
  expect(subjectOfFailure(sqlState)).toBe(expected);
});

it('retryDelaySeconds grows with each receive, with full jitter, up to 75 s', () => {
  for (const count of [1, 2, 5, 10, 1000]) {
    const [least, most] = [retryDelaySeconds('left', count, 0), retryDelaySeconds('left', count, 0.999_999)];
    expect(least).toBe(1);
    expect(most).toBeLessThanOrEqual(75);
    expect(most).toBeGreaterThanOrEqual(Math.min(75, 2 * 2 ** Math.min(count, 7)));
  }
  expect(retryDelaySeconds('busy', 7, 0.5)).toBe(3);
});

it('delayOfRound doubles from 1 s to 60 s', () => {
  expect([0, 1, 2, 5, 6, 60].map(delayOfRound)).toEqual([1, 2, 4, 32, 60, 60]);
});
