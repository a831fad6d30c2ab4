/** A scan of a ground schedule, and the checks shared by all forms of schedules. */
import { microsecondsOf, parseInstant, type Instant } from '../../../../lib/values/instant.ts';
import { whyNotStorable } from '../../../../lib/values/text.ts';

export interface ScheduledTime {
  /** the time as sent: its instant, or a leap second as `…:60Z` */
  readonly text: string;
  readonly instant: Instant;
}

export interface Scan {
  /** line number in the file, from 1 */
  readonly line: number;
  readonly start: ScheduledTime;
  readonly stop: ScheduledTime;
  readonly patch: string;
  readonly rotationDegrees: number;
  readonly azimuthMinDegrees: number;
  readonly azimuthMaxDegrees: number;
  readonly elevationDegrees: number;
  /** −1 − n for the nth partial scan of a patch */
  readonly pass: number;
  readonly subscan: number;
}

export interface Schedule {
  readonly form: string;
  readonly site: string;
  readonly telescope: string;
  readonly scans: readonly Scan[];
  /** entries that are not scans */
  readonly skipped: readonly { readonly line: number; readonly kind: string }[];
}

/** The texts of a scan's fields. */
export interface ScanFields {
  readonly start: string;
  readonly stop: string;
  readonly rotation: string;
  readonly patch: string;
  readonly azimuthMin: string;
  readonly azimuthMax: string;
  readonly elevation: string;
  readonly pass: string;
  readonly subscan: string;
}

export class ScheduleError extends Error {
  override readonly name = 'ScheduleError';

  constructor(line: number, fault: string) {
    super(`line ${line}: ${fault}`);
  }
}

/** TOAST writes 0 to 720; the FYST mount ranges from −180 to 360. */
const azimuthRange = [-360, 720] as const;

/** @throws ScheduleError that names the line and its fault */
export function readScan(fields: ScanFields, line: number): Scan {
  const scan = {
    line,
    start: readTime('start', fields.start, line),
    stop: readTime('stop', fields.stop, line),
    patch: readName('patch', fields.patch, line),
    rotationDegrees: readNumber('rotation', fields.rotation, [-360, 360], line),
    azimuthMinDegrees: readNumber('azimuth', fields.azimuthMin, azimuthRange, line),
    azimuthMaxDegrees: readNumber('azimuth', fields.azimuthMax, azimuthRange, line),
    elevationDegrees: readNumber('elevation', fields.elevation, [-90, 90], line),
    pass: readInteger('pass', fields.pass, line),
    subscan: readInteger('subscan', fields.subscan, line),
  };
  if (microsecondsOf(scan.stop.instant) <= microsecondsOf(scan.start.instant)) {
    throw new ScheduleError(
      line,
      `it stops at ${fields.stop}, which is not after its start at ${fields.start}`,
    );
  }
  if (scan.azimuthMaxDegrees - scan.azimuthMinDegrees > 360) {
    throw new ScheduleError(
      line,
      `azimuths ${fields.azimuthMin} to ${fields.azimuthMax} are more than a turn`,
    );
  }
  if (scan.subscan < 0) throw new ScheduleError(line, `subscan ${fields.subscan} is below 0`);
  return scan;
}

/** A name of a site, telescope or patch. @throws ScheduleError if it is empty or cannot be stored */
export function readName(what: string, text: string, line: number): string {
  const name = text.trim();
  if (name === '') throw new ScheduleError(line, `the ${what} has no name`);
  const fault = whyNotStorable(name);
  if (fault !== undefined) throw new ScheduleError(line, `the name of the ${what} ${fault}`);
  return name;
}

/** Until August 2019 TOAST wrote `UTC` after times; later text forms write nothing, and ECSV may write an offset. */
function readTime(what: string, text: string, line: number): ScheduledTime {
  const [, day, time, zone = 'Z'] =
    /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2}(?:\.\d+)?)(?: ?(UTC|Z|[+-]\d{2}:?\d{2}))?$/.exec(
      text.trim(),
    ) ?? [];
  const iso = `${day}T${time}${zone.replace('UTC', 'Z')}`;
  const parsed = parseInstant(iso);
  if (!parsed) throw new ScheduleError(line, `its ${what} is not a time: ${text.trim()}`);
  return { text: parsed.isLeapSecond ? iso : parsed.instant, instant: parsed.instant };
}

function readNumber(what: string, text: string, [from, to]: readonly [number, number], line: number): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim())) {
    throw new ScheduleError(line, `its ${what} is not a number: ${text.trim()}`);
  }
  const number = Number(text);
  if (number >= from && number <= to) return number;
  throw new ScheduleError(line, `its ${what} of ${text.trim()} degrees is not within ${from} to ${to}`);
}

function readInteger(what: string, text: string, line: number): number {
  if (/^[+-]?\d{1,15}$/.test(text.trim())) return Number(text);
  throw new ScheduleError(line, `its ${what} is not a whole number: ${text.trim()}`);
}
