/** Schedules as TOAST and the FYST planner write them: the files of `test/fixtures/schedules`, and short forms inline. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readSchedule } from '../../infra/local/observe/schedule/read-schedule.ts';
import type { Scan } from '../../infra/local/observe/schedule/scan.ts';

const directory = new URL('../fixtures/schedules/', import.meta.url);
const bytesOf = (text: string) => new TextEncoder().encode(text);
const read = (text: string) => readSchedule(bytesOf(text));
const readFixture = (file: string) => readSchedule(readFileSync(new URL(file, directory)));
const fixtureText = (file: string) => readFileSync(new URL(file, directory), 'utf8');

/** start, stop, patch, rotation, azimuths, elevation, pass, subscan */
function valuesOf(scan: Scan | undefined) {
  return (
    scan && [
      scan.start.text,
      scan.stop.text,
      scan.patch,
      scan.rotationDegrees,
      scan.azimuthMinDegrees,
      scan.azimuthMaxDegrees,
      scan.elevationDegrees,
      scan.pass,
      scan.subscan,
    ]
  );
}

interface Expected {
  readonly form: string;
  readonly site: readonly [string, string];
  readonly scans: number;
  readonly skipped?: Readonly<Record<string, number>>;
  readonly first: readonly unknown[];
  readonly last: readonly unknown[];
}

const jupiter = {
  site: ['Cerro-Chajnantor', 'FYST'],
  scans: 3,
  first: [
    '2026-10-01T11:10:00.000000Z',
    '2026-10-01T11:17:00.000000Z',
    'Jupiter',
    0,
    41.16,
    43.09,
    40.57,
    0,
    0,
  ],
  last: [
    '2026-10-01T11:24:00.000000Z',
    '2026-10-01T11:31:00.000000Z',
    'Jupiter',
    0,
    37.37,
    39.57,
    42.69,
    2,
    0,
  ],
} as const;
const south = (start: string, stop: string, pass: number, subscan: number) => [
  `2026-11-01T${start}.000000Z`,
  `2026-11-01T${stop}.000000Z`,
  'South_Direction',
  180,
  150,
  210,
  67,
  pass,
  subscan,
];

const expected: Readonly<Record<string, Expected>> = {
  'fyst_jupiter_0_5deg.txt': { form: '11 fields between blanks', ...jupiter },
  'bom.txt': { form: '11 fields between blanks', ...jupiter },
  'toast-v5.ecsv': { form: 'ECSV', ...jupiter },
  'atacama-lat-wide-first-37.txt': {
    form: '11 fields between blanks',
    site: ['ATACAMA', 'LAT'],
    scans: 37,
    first: [
      '2030-01-01T07:59:59.000000Z',
      '2030-01-01T08:59:59.000000Z',
      'RISING_SCAN_40',
      180,
      30,
      150,
      40,
      0,
      8,
    ],
    last: [
      '2030-01-08T23:59:59.000000Z',
      '2030-01-09T00:59:59.000000Z',
      'RISING_SCAN_40',
      0,
      30,
      150,
      40,
      8,
      6,
    ],
  },
  'toast-v4-pipes.txt': {
    form: '9 fields between |',
    site: ['Atacama', 'SAT'],
    scans: 9,
    first: [
      '2023-08-19T00:00:00.000000Z',
      '2023-08-19T01:05:00.000000Z',
      'Constant elevation scans',
      0,
      275,
      295,
      50,
      0,
      0,
    ],
    last: [
      '2023-08-19T08:40:00.000000Z',
      '2023-08-19T09:45:00.000000Z',
      'Constant elevation scans',
      0,
      230,
      250,
      50,
      0,
      8,
    ],
  },
  'toast-2017-verbose-22-fields.txt': {
    form: '22 fields between blanks',
    site: ['Atacama', 'LAT'],
    scans: 1,
    first: [
      '2019-01-01T00:00:00.000000Z',
      '2019-01-01T00:15:00.000000Z',
      'TIER1',
      0,
      100.47,
      143.55,
      60.22,
      0,
      0,
    ],
    last: [
      '2019-01-01T00:00:00.000000Z',
      '2019-01-01T00:15:00.000000Z',
      'TIER1',
      0,
      100.47,
      143.55,
      60.22,
      0,
      0,
    ],
  },
  'toast-verbose-23-fields.txt': {
    form: '23 fields between blanks',
    site: ['ATACAMA', 'LAT'],
    scans: 4,
    first: [
      '2027-06-01T00:00:00.000000Z',
      '2027-06-01T01:36:00.000000Z',
      'Tier1DEC+010..-010_RA+150..+160',
      90,
      278.94,
      313.73,
      45.24,
      0,
      0,
    ],
    last: [
      '2027-06-01T04:10:00.000000Z',
      '2027-06-01T05:17:00.000000Z',
      'Tier3DEC-025..-045_RA+215..+225',
      90,
      219.47,
      258.92,
      57.81,
      0,
      0,
    ],
  },
  'toast-v1-verbose-24-fields.txt': {
    form: '24 fields between blanks',
    site: ['ATACAMA', 'SAT'],
    scans: 4,
    first: [
      '2027-01-01T00:00:00.000000Z',
      '2027-01-01T00:36:00.000000Z',
      'Tier2DEC-025..-045_RA+065..+075',
      135,
      100.47,
      143.55,
      60.22,
      0,
      0,
    ],
    last: [
      '2027-04-02T00:55:00.000000Z',
      '2027-04-02T01:50:00.000000Z',
      'Tier2DEC+010..-010_RA+160..+170',
      270,
      33.73,
      64.5,
      51.53,
      0,
      1,
    ],
  },
  'fyst-timeline.ecsv': {
    form: 'ECSV',
    site: ['FYST', 'FYST'],
    scans: 7,
    skipped: { calibration: 16, slew: 3 },
    first: [
      '2026-06-15T06:13:54.242000Z',
      '2026-06-15T07:03:21.351000Z',
      'Deep56',
      -31.578492506999567,
      90.27841616700846,
      152.50736924142495,
      50,
      0,
      0,
    ],
    last: [
      '2026-06-15T11:43:00.798000Z',
      '2026-06-15T12:00:00.000000Z',
      'Deep56',
      -22.9453208733851,
      100.00409214272679,
      162.23304521714329,
      50,
      2,
      0,
    ],
  },
  'toast-partial-scan-negative-pass.txt': {
    form: '11 fields between blanks',
    site: ['Cerro-Chajnantor', 'FYST'],
    scans: 2,
    first: south('00:00:00', '00:14:59', 0, 0),
    last: south('00:15:00', '00:29:59', -1, 0),
  },
  'special-lines.txt': {
    form: '11 fields between blanks',
    site: ['Cerro-Chajnantor', 'FYST'],
    scans: 2,
    skipped: { SPECIAL: 1 },
    first: south('00:00:00', '00:14:59', 0, 0),
    last: south('01:00:00', '01:14:59', 0, 1),
  },
  'special-and-comment-lines.txt': {
    form: '11 fields between blanks',
    site: ['Cerro-Chajnantor', 'FYST'],
    scans: 2,
    first: south('00:00:00', '00:14:59', 0, 0),
    last: south('00:15:00', '00:29:59', 0, 1),
  },
  'leap-second.txt': {
    form: '11 fields between blanks',
    site: ['Cerro-Chajnantor', 'FYST'],
    scans: 1,
    first: ['2016-12-31T23:50:00.000000Z', '2016-12-31T23:59:60Z', 'S', 180, 150, 210, 67, 0, 0],
    last: ['2016-12-31T23:50:00.000000Z', '2016-12-31T23:59:60Z', 'S', 180, 150, 210, 67, 0, 0],
  },
};

describe('readSchedule', () => {
  it('has an expectation for each file', () => {
    expect(Object.keys(expected).sort()).toEqual(readdirSync(directory).sort());
  });

  it.each(Object.entries(expected))('%s', (file, { form, site, scans, skipped = {}, first, last }) => {
    const schedule = readFixture(file);
    const kinds = Object.groupBy(schedule.skipped, ({ kind }) => kind);
    const counts = Object.entries(kinds).map(([kind, entries = []]) => [kind, entries.length]);
    expect(schedule).toMatchObject({ form, site: site[0], telescope: site[1] });
    expect(schedule.scans).toHaveLength(scans);
    expect(Object.fromEntries(counts)).toEqual(skipped);
    expect(valuesOf(schedule.scans[0])).toEqual(first);
    expect(valuesOf(schedule.scans.at(-1))).toEqual(last);
  });

  it('reads every line ending in every form', () => {
    for (const file of Object.keys(expected)) {
      const unix = fixtureText(file);
      const scans = readFixture(file).scans;
      expect(read(unix.replaceAll('\n', '\r\n')).scans, file).toEqual(scans);
      expect(read(unix.replaceAll('\n', '\r')).scans, file).toEqual(scans);
      expect(read(`\ufeff${unix.trimEnd()}`).scans, file).toEqual(scans);
    }
  });
});

const blankHeader = 'Atacama LAT -22.958 -67.786 5200.0';
const verboseTail = '100.47 143.55 60.22 R -9.02 240.16 -16.04 235.67 -52.08 161.75 -48.69 149.73 0.38';
const tier1 = ['2019-01-01T00:00:00.000000Z', '2019-01-01T00:15:00.000000Z', 'TIER1'];

describe('readSchedule of an old or rare form', () => {
  it.each([
    [
      'until August 2019, with zone names: 24 fields, other than the present 24',
      `${blankHeader}\n 2019-01-01 00:00:00 UTC 2019-01-01 00:15:00 UTC 58484.000000 58484.010417 TIER1 ${verboseTail} 3 1`,
      [...tier1, 0, 100.47, 143.55, 60.22, 3, 1],
    ],
    [
      'of June 2017, without telescope and subscan',
      `Atacama -22.958 -67.786 5200.000000\n 2019-01-01 00:00:00 2019-01-01 00:15:00 58484.000000 58484.010417 TIER1 ${verboseTail} 3`,
      [...tier1, 0, 100.47, 143.55, 60.22, 3, 0],
    ],
    [
      'verbose with |: 22 fields',
      `Atacama|LAT|-22.958|-67.786|5200.0\n2019-01-01 00:00:00|2019-01-01 00:15:00|58484.0|58484.010417|45.00|TIER1|${verboseTail.replaceAll(' ', '|')}|3|1|0.010`,
      [...tier1, 45, 100.47, 143.55, 60.22, 3, 1],
    ],
    [
      'of `GroundSchedule.write`: | and blanks',
      '# Site | Telescope | Latitude [deg] | Longitude [deg] | Elevation [m]\n' +
        'Atacama         | LAT             |         -22.958 |        -67.786 |         5200.0\n' +
        '# Start time UTC | Stop time UTC | Rotation | Patch name | Az min. | Az max. | Elev. | Pass | Sub\n' +
        ' 2019-01-01 00:00:00 |  2019-01-01 00:15:00 |    45.00 | TIER1                               |   100.47 |   143.55 |    60.22 |    -2 |   0\n',
      [...tier1, 45, 100.47, 143.55, 60.22, -2, 0],
    ],
    [
      'ECSV with commas, quotes, an offset and columns in another order',
      "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: el, unit: deg, datatype: float64}\n" +
        "# meta: !!omap\n# - {site_name: 'Cerro: Chajnantor'}\n# - telescope_name: FYST\n# schema: astropy-2.0\n" +
        'el,name,start_time,stop_time,boresight_angle,azmin,azmax,scan_index,subscan_index\n' +
        '60.22,"a ""b"", c",2018-12-31T21:00:00-03:00,2019-01-01T00:15:00Z,4.5e1,100.47,143.55,3,1\n',
      [...tier1.slice(0, 2), 'a "b", c', 45, 100.47, 143.55, 60.22, 3, 1],
    ],
  ])('%s', (_name, text, values) => {
    const { scans } = read(text);
    expect(scans.map(valuesOf)).toEqual([values]);
  });

  it('reads patch names of several words', () => {
    const text = readFileSync(
      new URL('../../infra/local/observe/example-schedule.txt', import.meta.url),
      'utf8',
    );
    const { scans } = read(text);
    expect(scans.map(({ patch }) => patch).slice(0, 4)).toEqual([
      'Uranus',
      'South field',
      'South field',
      'Orion A',
    ]);
  });

  it('reads a FYST table without blocks as no scans', () => {
    const [header = ''] = fixtureText('fyst-timeline.ecsv').split('"2026');
    const idle =
      '"2000-01-01 00:00:00.000" "2000-01-01 00:00:00.000" 0.0 "" 0.0 0.0 0.0 0 0 idle "" True 0.0 0.0 0.0 0.0 0.0 {} {}';
    expect(read(header + idle)).toMatchObject({ scans: [], skipped: [{ kind: 'idle' }] });
  });
});

const scan = ' 2026-11-01 00:00:00  2026-11-01 00:14:59   180.00 South  150.00   210.00    67.00     0   0';
const at = (line: string) => `#Site\n${blankHeader}\n#\n${scan}\n${line}\n`;
const verbose = `2019-01-01 00:00:00 2019-01-01 00:15:00 58484.000000 58484.010417 90.00 TIER1 ${verboseTail} 3 1`;

describe('readSchedule refuses, naming the line,', () => {
  it.each([
    [
      'a line of words',
      at('later'),
      'line 5: not a scan: 1 fields between blanks where this schedule has 11',
    ],
    ['a field too few', at(scan.replace('150.00', '')), 'line 5: not a scan: 10 fields'],
    ['a column too many', at(scan.replace('South', 'South   12.00')), 'line 5: not a scan: 12 fields'],
    ['another form than the lines before', at(verbose), 'line 5: its rotation of 58484.000000 degrees'],
    ['| among blanks', at(scan.trim().replace(/ {2,}/g, '|')), 'line 5: not a scan: 8 fields between |'],
    ['a verbose line with a field too many', `${blankHeader}\n${verbose} 0.1 7`, 'line 2: '],
    ['a verbose line without R or S', `${blankHeader}\n${verbose.replace(' R ', ' ')}`, 'line 2: '],
    [
      'a rotation beyond a turn',
      at(scan.replace('180.00', '361.00')),
      'line 5: its rotation of 361.00 degrees',
    ],
    [
      'an elevation below the nadir',
      at(scan.replace('67.00', '-90.5')),
      'line 5: its elevation of -90.5 degrees',
    ],
    [
      'an azimuth beyond two turns',
      at(scan.replace('150.00', '721.0')),
      'line 5: its azimuth of 721.0 degrees',
    ],
    [
      'azimuths more than a turn apart',
      at(scan.replace('150.00', '-160')),
      'line 5: azimuths -160 to 210.00',
    ],
    [
      'a stop before the start',
      at(scan.replace('00:14:59', '00:00:00')),
      'line 5: it stops at 2026-11-01 00:00:00',
    ],
    [
      'a day that does not exist',
      at(scan.replace('2026-11-01', '2026-02-30')),
      'line 5: its start is not a time',
    ],
    ['a second 61', at(scan.replace('00:14:59', '00:14:61')), 'line 5: its stop is not a time'],
    ['a subscan below 0', at(scan.replace(/0$/, '-1')), 'line 5: subscan -1 is below 0'],
    [
      'a noncharacter in a patch name',
      at(scan.replace('South', 'S\uffff')),
      'line 5: the name of the patch contains U+FFFE or U+FFFF',
    ],
    ['no site', scan, 'line 1: a schedule begins with its site'],
    ['a site without a position', `#\nAtacama LAT\n${scan}`, 'line 2: a schedule begins with its site'],
    ['an empty file', '', 'line 1: the file contains no schedule'],
  ])('%s', (_name, text, fault) => {
    expect(() => read(text)).toThrow(fault);
  });

  const ecsv = fixtureText('toast-v5.ecsv');
  const timeline = fixtureText('fyst-timeline.ecsv');
  it.each([
    [
      'a field too many',
      ecsv.replace('Jupiter 41.16', 'Jupiter 7 41.16'),
      'line 44: 10 fields in a table of 9 columns',
    ],
    ['a missing column', ecsv.replaceAll('azmax', 'azmost'), 'line 43: the table has no column azmax'],
    ['an angle in another unit', ecsv.replace('el, unit: deg', 'el, unit: rad'), 'line 10: el is in rad'],
    [
      'an azimuth that is not a number',
      ecsv.replace(' 41.16 ', ' nan '),
      'line 44: its azimuth is not a number: nan',
    ],
    ['no site', ecsv.replace('site_name', 'sight_name'), 'line 1: the header has no site_name'],
    [
      'a block of another type',
      timeline.replace('calibration retune', 'party retune'),
      'line 50: a block of the unknown type party',
    ],
    ['an unterminated quote', ecsv.replace('Jupiter', '"Jupiter'), 'line 44: a quote that is not closed'],
    [
      'a table without column names',
      ecsv.split('start_time stop')[0] ?? '',
      'line 1: the table has no line of column names',
    ],
  ])('in ECSV: %s', (_name, text, fault) => {
    expect(() => read(text)).toThrow(fault);
  });

  it('bytes that are not UTF-8', () => {
    const latin1 = Buffer.from(at(scan.replace('South', 'Süd')), 'latin1');
    expect(() => readSchedule(latin1)).toThrow('line 5: it is not UTF-8');
  });
});
