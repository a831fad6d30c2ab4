/**
 * Storable instants: microseconds, years 0001 to 9999 in UTC, which every store can hold exactly. Their text has a fixed width, so that
 * comparing texts compares instants.
 */

/** `YYYY-MM-DDTHH:MM:SS.ffffffZ` */
export type Instant = string & { readonly __instant: unique symbol };

export interface ParsedInstant {
  readonly instant: Instant;
  /** given as second 60, and stored as the following second */
  readonly isLeapSecond: boolean;
}

const pattern =
  /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,30}))?([Zz]|[+-]\d{2}(?::?\d{2})?)$/;
const firstMilliseconds = Date.parse('0001-01-01T00:00:00Z');
const lastMilliseconds = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * @param text ISO 8601 with seconds and an offset
 * @returns undefined if it is not an instant, is outside years 0001–9999 in UTC, or is finer than a microsecond
 */
export function parseInstant(text: string): ParsedInstant | undefined {
  const [, date = '', hour = '', minute = '', second = '', fraction = '', offset = ''] =
    pattern.exec(text) ?? [];
  if (date === '' || !isCalendarDay(date) || hour > '23' || minute > '59' || second > '60') return undefined;
  if (/[^0]/.test(fraction.slice(6))) return undefined;
  const offsetMilliseconds = readOffset(offset);
  if (offsetMilliseconds === undefined) return undefined;
  const isLeapSecond = second === '60';
  const microsecondDigits = fraction.slice(0, 6).padEnd(6, '0');
  if (offsetMilliseconds === 0 && !isLeapSecond) {
    const instant = `${date}T${hour}:${minute}:${second}.${microsecondDigits}Z` as Instant;
    return { instant, isLeapSecond };
  }
  const beforeOffset = Date.parse(`${date}T${hour}:${minute}:${isLeapSecond ? '59' : second}Z`);
  const milliseconds = beforeOffset + (isLeapSecond ? 1000 : 0) - offsetMilliseconds;
  if (milliseconds < firstMilliseconds || milliseconds > lastMilliseconds) return undefined;
  return { instant: write(milliseconds, microsecondDigits), isLeapSecond };
}

/** @param offset `Z`, `+HH`, `+HHMM` or `+HH:MM` @returns undefined if Postgres would not accept it */
function readOffset(offset: string): number | undefined {
  if (/^z$/i.test(offset)) return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(3).replace(':', '') || 0);
  if (hours > 15 || minutes > 59) return undefined;
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

const daysOfMonths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether `YYYY-MM-DD` is a valid date, years 0001–9999. */
export function isCalendarDay(date: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) return false;
  const [year, month, day] = [Number(date.slice(0, 4)), Number(date.slice(5, 7)), Number(date.slice(8))];
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && isLeapYear ? 29 : (daysOfMonths[month - 1] ?? 0);
  return year > 0 && day > 0 && day <= days;
}

function write(milliseconds: number, microsecondDigits: string): Instant {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}.${microsecondDigits}Z` as Instant;
}

/** @param milliseconds since 1970 @throws RangeError outside years 0001–9999 */
export function instantOfMilliseconds(milliseconds: number): Instant {
  return instantOfMicroseconds(BigInt(Math.floor(milliseconds)) * 1000n);
}

/** @param microseconds since 1970 @throws RangeError outside years 0001–9999 */
export function instantOfMicroseconds(microseconds: bigint | number): Instant {
  const value = BigInt(microseconds);
  const fraction = ((value % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const milliseconds = Number((value - fraction) / 1000n);
  if (milliseconds < firstMilliseconds || milliseconds > lastMilliseconds) {
    throw new RangeError(`not a storable instant: ${value} µs`);
  }
  return write(milliseconds, String(fraction).padStart(6, '0'));
}

/** Since 1970. */
export function microsecondsOf(instant: Instant): bigint {
  return BigInt(Date.parse(`${instant.slice(0, 19)}Z`)) * 1000n + BigInt(instant.slice(20, 26));
}

/** Since 1970, rounded down, for indexes. */
export function millisecondsOf(instant: Instant): number {
  return Date.parse(`${instant.slice(0, 23)}Z`);
}

/** The night of an instant as `YYYYMMDD`, the day on which it began at noon UTC; undefined before the first night. */
export function dayObsOf(instant: Instant): number | undefined {
  const morning = millisecondsOf(instant) - 12 * 3600 * 1000;
  if (morning < firstMilliseconds) return undefined;
  return Number(new Date(morning).toISOString().slice(0, 10).replaceAll('-', ''));
}

/** @param date `YYYY-MM-DD` @returns `from` inclusive, `to` exclusive; `to` is absent for the last night */
export function nightOf(date: string): { readonly from: Instant; readonly to?: Instant } {
  const noon = Date.parse(`${date}T12:00:00Z`);
  const next = noon + 24 * 3600 * 1000;
  const from = instantOfMilliseconds(noon);
  return next > lastMilliseconds ? { from } : { from, to: instantOfMilliseconds(next) };
}
