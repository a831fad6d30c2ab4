/**
 * ECSV (https://docs.astropy.org/en/stable/io/ascii/ecsv.html) as written by TOAST v5 and by the FYST planner
 * (`fyst_trajectories.write_timeline`), which also lists calibrations, slews and idle times.
 */
import { readName, readScan, ScheduleError, type Scan, type Schedule } from './scan.ts';

const form = 'ECSV';
const scanBlock = 'science';
const otherBlocks = ['calibration', 'slew', 'idle'];
const columns = {
  start: 'start_time',
  stop: 'stop_time',
  rotation: 'boresight_angle',
  patch: 'name',
  azimuthMin: 'azmin',
  azimuthMax: 'azmax',
  elevation: 'el',
  pass: 'scan_index',
  subscan: 'subscan_index',
} as const;
const angles: readonly string[] = [
  columns.rotation,
  columns.azimuthMin,
  columns.azimuthMax,
  columns.elevation,
];

interface Line {
  readonly number: number;
  readonly text: string;
}

export function isEcsv(text: string): boolean {
  return /^#\s*%ECSV\b/.test(text);
}

/** @throws ScheduleError that names the first invalid line */
export function readEcsvSchedule(text: string): Schedule {
  const lines = text
    .split(/\r\n|\n|\r/)
    .map((each, index) => ({ number: index + 1, text: each }))
    .filter((line) => line.text.trim() !== '');
  const header = lines.filter((line) => line.text.startsWith('#'));
  const [names, ...rows] = lines.filter((line) => !line.text.startsWith('#'));
  const { site, telescope, delimiter } = readHeader(header);
  if (!names) throw new ScheduleError(1, 'the table has no line of column names');
  const columnNames = splitRow(names, delimiter);
  const missing = Object.values(columns).filter((name) => !columnNames.includes(name));
  if (missing.length > 0)
    throw new ScheduleError(names.number, `the table has no column ${missing.join(', ')}`);

  const scans: Scan[] = [];
  const skipped: { line: number; kind: string }[] = [];
  for (const row of rows) {
    const values = splitRow(row, delimiter);
    if (values.length !== columnNames.length) {
      throw new ScheduleError(
        row.number,
        `${values.length} fields in a table of ${columnNames.length} columns`,
      );
    }
    const at = (name: string) => values[columnNames.indexOf(name)] ?? '';
    const kind = columnNames.includes('block_type') ? at('block_type') : scanBlock;
    if (kind === scanBlock) {
      scans.push(
        readScan(
          {
            start: at(columns.start),
            stop: at(columns.stop),
            rotation: at(columns.rotation),
            patch: at(columns.patch),
            azimuthMin: at(columns.azimuthMin),
            azimuthMax: at(columns.azimuthMax),
            elevation: at(columns.elevation),
            pass: at(columns.pass),
            subscan: at(columns.subscan),
          },
          row.number,
        ),
      );
    } else if (otherBlocks.includes(kind)) {
      skipped.push({ line: row.number, kind });
    } else {
      throw new ScheduleError(row.number, `a block of the unknown type ${kind || '(empty)'}`);
    }
  }
  return { form, site, telescope, scans, skipped };
}

/** Reads the YAML header in the layout of astropy: a flow mapping per column and per entry of `meta`. */
function readHeader(lines: readonly Line[]) {
  let delimiter = ' ';
  const meta = new Map<string, string>();
  for (const line of lines) {
    const yaml = line.text.replace(/^# ?/, '');
    if (yaml.startsWith('delimiter:')) delimiter = readScalar(yaml.slice('delimiter:'.length).trim());
    const [, flow] = /^- \{(.*)\}$/.exec(yaml.trimEnd()) ?? [];
    const entries = flow === undefined ? blockEntry(yaml) : flowEntries(flow);
    for (const [key, value] of entries) if (!meta.has(key)) meta.set(key, value);
    const column = new Map(entries);
    const unit = column.get('unit') ?? 'deg';
    if (angles.includes(column.get('name') ?? '') && unit !== 'deg') {
      throw new ScheduleError(line.number, `${column.get('name')} is in ${unit}, where degrees are expected`);
    }
  }
  if (delimiter !== ' ' && delimiter !== ',') {
    throw new ScheduleError(1, `the delimiter must be a blank or a comma, not ${delimiter}`);
  }
  const named = (what: string, key: string) => {
    const name = meta.get(key);
    if (name === undefined) throw new ScheduleError(1, `the header has no ${key}`);
    return readName(what, name, 1);
  };
  return { site: named('site', 'site_name'), telescope: named('telescope', 'telescope_name'), delimiter };
}

/** The entries of `key: value, key: value`, without nested ones. */
function flowEntries(flow: string): (readonly [string, string])[] {
  const entry = /([\w-]+): *('(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^,{}[\]]*)/g;
  return [...flow.matchAll(entry)].map(
    ([, key = '', value = '']) => [key, readScalar(value.trim())] as const,
  );
}

function blockEntry(yaml: string): (readonly [string, string])[] {
  const [, key, value] = /^- ([\w-]+): (\S.*)$/.exec(yaml.trimEnd()) ?? [];
  return key === undefined || value === undefined ? [] : [[key, readScalar(value.trim())]];
}

function readScalar(text: string): string {
  if (/^'.*'$/.test(text)) return text.slice(1, -1).replaceAll("''", "'");
  if (/^".*"$/.test(text)) return JSON.parse(text) as string;
  return text;
}

/** The fields of a row. A field that contains a delimiter or a quote is quoted, with its quotes doubled. */
function splitRow({ number, text }: Line, delimiter: string): string[] {
  const between = delimiter === ',' ? ' *, *' : ' +';
  const field = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${delimiter}]*))(${between}|$)`, 'y');
  const row = text.trim();
  const values: string[] = [];
  for (;;) {
    const [, quoted, bare = '', end] = field.exec(row) ?? [];
    if (end === undefined)
      throw new ScheduleError(number, 'a quote that is not closed, or is within a field');
    values.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'));
    if (end === '') return values;
  }
}
