const pattern = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?([Zz]|[+-]\d{2}:?\d{2})$/;

/**
 * The one spelling of an instant, in UTC: milliseconds, or microseconds (as Postgres keeps them) where they are needed.
 * @param text ISO 8601 with seconds and an offset
 * @returns undefined if it is no such instant
 */
export function canonicalTimestamp(text: string): string | undefined {
  const [, date, time, fraction = '', offset = ''] = pattern.exec(text) ?? [];
  if (!date || !time) return undefined;
  const milliseconds = Date.parse(`${date}T${time}${withColon(offset)}`);
  // Date.parse lets 2026-02-30 pass as March: the calendar must give the same day back
  if (Number.isNaN(milliseconds) || !isCalendarDay(date)) return undefined;
  const microseconds = fraction.slice(0, 6).padEnd(6, '0');
  const digits = microseconds.endsWith('000') ? microseconds.slice(0, 3) : microseconds;
  return `${new Date(milliseconds).toISOString().slice(0, 19)}.${digits}Z`;
}

function withColon(offset: string): string {
  return /^[+-]\d{4}$/.test(offset) ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset.toUpperCase();
}

function isCalendarDay(date: string): boolean {
  const day = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date);
}
