/** Instants of any year in any spelling, with their meaning. */
import { fc } from '../support/property.ts';

export interface ArbitraryInstant {
  readonly text: string;
  /** microseconds since 1970 */
  readonly microseconds: bigint;
}

const pad = (n: number, length: number) => String(n).padStart(length, '0');
const first = -62_135_596_800_000_000n;
const afterLast = BigInt(Date.UTC(10_000, 0, 1)) * 1000n;

/** Whether the instant is in the years 0001 to 9999 UTC, which can be stored. */
export const isStorable = ({ microseconds }: ArbitraryInstant) =>
  microseconds >= first && microseconds < afterLast;

export const arbitraryInstant: fc.Arbitrary<ArbitraryInstant> = fc
  .record({
    year: fc.oneof(
      fc.integer({ min: 2020, max: 2030 }),
      fc.constantFrom(0, 1, 2, 1582, 1900, 9998, 9999),
      fc.nat(9999),
    ),
    month: fc.integer({ min: 1, max: 12 }),
    day: fc.oneof(fc.integer({ min: 1, max: 28 }), fc.constant(1)),
    hour: fc.oneof(fc.nat(23), fc.constant(0), fc.constant(23)),
    minute: fc.nat(59),
    second: fc.nat(59),
    fraction: fc.array(fc.nat(9), { maxLength: 6 }),
    offset: fc.oneof(fc.constant(0), fc.integer({ min: -14 * 60, max: 14 * 60 })),
    isZulu: fc.boolean(),
  })
  .map(({ year, month, day, hour, minute, second, fraction, offset, isZulu }) => {
    const shift = Math.abs(offset);
    const zone =
      offset === 0 && isZulu
        ? 'Z'
        : `${offset < 0 ? '-' : '+'}${pad(Math.floor(shift / 60), 2)}:${pad(shift % 60, 2)}`;
    const date = new Date(0);
    date.setUTCFullYear(year, month - 1, day);
    date.setUTCHours(hour, minute - offset, second);
    const fractionText = fraction.length === 0 ? '' : `.${fraction.join('')}`;
    return {
      text: `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}${fractionText}${zone}`,
      microseconds: BigInt(date.getTime()) * 1000n + BigInt(fraction.join('').padEnd(6, '0')),
    };
  });

/** The instant as answers spell it. */
export function instantText(microseconds: bigint): string {
  const milliseconds = microseconds / 1000n - (microseconds % 1000n < 0n ? 1n : 0n);
  const text = new Date(Number(milliseconds)).toISOString();
  return `${text.slice(0, -1)}${pad(Number(microseconds - milliseconds * 1000n), 3)}Z`;
}
