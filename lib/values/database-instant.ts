/**
 * Instants in rows of the database. Rows inserted by plain SQL may be outside the years that the API accepts. Their text is that of
 * Postgres in UTC, with a `T`: `12026-01-01T00:00:00.000000Z`, `0044-03-15T00:00:00.000000Z BC`, `infinity`, `-infinity`.
 */
import { parseInstant } from './instant.ts';

const pattern =
  /^(\d{4,6})-(\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(?:Z|([+-])(\d{2})(?::?(\d{2}))?(?::?(\d{2}))?)( BC)?$/;
/** The Gregorian calendar repeats after this many years. */
const cycleYears = 400;
const firstYearOfDates = 2000;

/**
 * @param text from the API, `to_jsonb` or a cursor
 * @returns its canonical spelling in UTC; undefined if it is not a timestamp of Postgres
 */
export function databaseInstant(text: string): string | undefined {
  if (text === 'infinity' || text === '-infinity') return text;
  return parseInstant(text)?.instant ?? beyondInstants(text);
}

function beyondInstants(text: string): string | undefined {
  const [
    ,
    yearText = '',
    day = '',
    time = '',
    fraction = '',
    sign,
    hours = 0,
    minutes = 0,
    seconds = 0,
    era,
  ] = pattern.exec(text) ?? [];
  if (yearText === '') return undefined;
  // the year before 1 is 1 BC
  const year = era === undefined ? Number(yearText) : 1 - Number(yearText);
  const cycles = Math.floor(year / cycleYears);
  const within = year - cycles * cycleYears + firstYearOfDates;
  const offset = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * (sign === '-' ? -1 : 1);
  const date = new Date(Date.parse(`${within}-${day}T${time}Z`) - offset * 1000);
  if (Number.isNaN(date.getTime())) return undefined;
  const utcYear = date.getUTCFullYear() - firstYearOfDates + cycles * cycleYears;
  const rest = `${date.toISOString().slice(4, 19)}.${fraction.padEnd(6, '0')}Z`;
  return utcYear > 0
    ? `${String(utcYear).padStart(4, '0')}${rest}`
    : `${String(1 - utcYear).padStart(4, '0')}${rest} BC`;
}

/** A text that sorts like the instant in Postgres. @param instant in canonical spelling */
export function sortKeyOf(instant: string): string {
  if (instant === 'infinity') return '~';
  if (instant === '-infinity') return '!';
  const year = Number(instant.slice(0, instant.indexOf('-')));
  const rest = instant.slice(instant.indexOf('-'));
  // `#` sorts below and `:` above the digits with which a four-digit year begins
  if (instant.endsWith(' BC')) return `#${String(999_999 - year)}${rest}`;
  return year > 9999 ? `:${String(year).padStart(6, '0')}${rest}` : instant;
}
