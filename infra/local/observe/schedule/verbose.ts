/**
 * The verbose forms separated by blanks: TOAST's only form until February 2023, then `--verbose-schedule`. It was extended by
 * the subscan (June 2017), the rotation (May 2020) and the time spent on the patch (`CTime`, in days, April 2023).
 */
import { betweenBlanks, integerField, number, numberField, timeBetweenBlanks } from './text-form.ts';

const modifiedJulianDay = String.raw`\d{1,6}\.\d+`;
const risingOrSetting = '[RS]';
/** elevation and azimuth at both ends */
const sun = [number, number, number, number];
const moon = [...sun, number];

interface Columns {
  readonly rotation?: true;
  readonly subscan?: true;
  readonly timeSpent?: true;
}

function verboseForm(fields: number, has: Columns) {
  return betweenBlanks(`${fields} fields between blanks`, [
    timeBetweenBlanks('start'),
    timeBetweenBlanks('stop'),
    modifiedJulianDay,
    modifiedJulianDay,
    ...(has.rotation ? [numberField('rotation')] : []),
    String.raw`(?<patch>\S+)`,
    numberField('azimuthMin'),
    numberField('azimuthMax'),
    numberField('elevation'),
    risingOrSetting,
    ...sun,
    ...moon,
    integerField('pass'),
    ...(has.subscan ? [integerField('subscan')] : []),
    ...(has.timeSpent ? [number] : []),
  ]);
}

export const verboseForms = [
  verboseForm(21, {}),
  verboseForm(22, { subscan: true }),
  verboseForm(23, { subscan: true, rotation: true }),
  verboseForm(24, { subscan: true, rotation: true, timeSpent: true }),
];
