import { fc } from '../support/property.ts';
import { expect, it } from 'vitest';
import { readLsn, writeLsn } from '../../lib/values/lsn.ts';

it('readLsn returns numbers that compare where their texts do not', () => {
  expect(readLsn('0/9').value).toBeLessThan(readLsn('0/10').value);
  expect(readLsn('9/FFFFFFFF').value).toBeLessThan(readLsn('10/0').value);
});

it('writeLsn and readLsn are inverse', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
      expect(readLsn(writeLsn(value)).value).toBe(value);
    }),
  );
});

it.each(['', '0', '0/', '/0', 'x/0', '0/123456789', '0/0 '])('readLsn refuses %j', (text) => {
  expect(() => readLsn(text)).toThrow('not an LSN');
});
