/** TOAST's text schedules: a line with site and telescope, then one line per scan, all in the same form. */
import { concise } from './concise.ts';
import { pipedForms, separator } from './piped.ts';
import { readName, readScan, ScheduleError, type Scan, type Schedule } from './scan.ts';
import type { TextForm } from './text-form.ts';
import { verboseForms } from './verbose.ts';

/** The concise form comes last: its names may contain several words. */
const forms: readonly TextForm[] = [...pipedForms, ...verboseForms, concise];
/** `-22.986`, or degrees, minutes and seconds */
const coordinate = /^[+-]?\d+(:\d+){0,2}(\.\d*)?$/;

/** @throws ScheduleError that names the first invalid line */
export function readTextSchedule(text: string): Schedule {
  const skipped: { line: number; kind: string }[] = [];
  const scans: Scan[] = [];
  let header: Pick<Schedule, 'site' | 'telescope'> | undefined;
  let form: TextForm | undefined;
  for (const [index, content] of text.split(/\r\n|\n|\r/).entries()) {
    const line = index + 1;
    if (content.trim() === '' || content.trimStart().startsWith('#')) continue;
    if (content.includes('SPECIAL')) {
      // TOAST's reader skips a line that contains it anywhere
      skipped.push({ line, kind: 'SPECIAL' });
    } else if (!header) {
      header = readHeader(content, line);
    } else {
      form ??= forms.find((each) => each.fieldsOf(content));
      scans.push(readLine(content, line, form));
    }
  }
  if (!header) throw new ScheduleError(1, 'the file contains no schedule');
  return { form: form?.name ?? 'no scans', ...header, scans, skipped };
}

function readLine(content: string, line: number, form: TextForm | undefined): Scan {
  const fields = form?.fieldsOf(content);
  if (fields) return readScan(fields, line);
  const isPiped = content.includes(separator);
  const count = isPiped ? content.split(separator).length : content.trim().split(/\s+/).length;
  const expected = form ? ` where this schedule has ${form.name}` : ', which no known form of a schedule has';
  throw new ScheduleError(
    line,
    `not a scan: ${count} fields between ${isPiped ? '|' : 'blanks'}${expected}: ${content.trim().slice(0, 100)}`,
  );
}

/** Site, telescope (since November 2017), latitude, longitude, elevation. */
function readHeader(content: string, line: number): Pick<Schedule, 'site' | 'telescope'> {
  const fields = content.includes(separator) ? content.split(separator) : content.trim().split(/\s+/);
  const values = fields.map((value) => value.trim());
  const [site = '', telescope = ''] = values.length === 4 ? [values[0], 'unknown'] : values;
  const position = values.slice(-3);
  if (values.length < 4 || values.length > 5 || !position.every((value) => coordinate.test(value))) {
    throw new ScheduleError(
      line,
      'a schedule begins with its site, telescope, latitude, longitude and elevation',
    );
  }
  return { site: readName('site', site, line), telescope: readName('telescope', telescope, line) };
}
