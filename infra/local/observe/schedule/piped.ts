/**
 * The forms with `|` between the fields: 9 fields from `GroundSchedule.write`, and 9 or (verbose) 22 from the scheduler with
 * `--field-separator '|'` (September 2023). A time is one field.
 */
import type { ScanFields } from './scan.ts';
import type { TextForm } from './text-form.ts';

export const separator = '|';

function pipedForm(fields: number, positionOf: Readonly<Record<keyof ScanFields, number>>): TextForm {
  return {
    name: `${fields} fields between |`,
    fieldsOf: (line) => {
      const values = line.split(separator).map((value) => value.trim());
      if (values.length !== fields) return undefined;
      const at = (name: keyof ScanFields) => values[positionOf[name]] ?? '';
      return {
        start: at('start'),
        stop: at('stop'),
        rotation: at('rotation'),
        patch: at('patch'),
        azimuthMin: at('azimuthMin'),
        azimuthMax: at('azimuthMax'),
        elevation: at('elevation'),
        pass: at('pass'),
        subscan: at('subscan'),
      };
    },
  };
}

export const pipedForms = [
  pipedForm(9, {
    start: 0,
    stop: 1,
    rotation: 2,
    patch: 3,
    azimuthMin: 4,
    azimuthMax: 5,
    elevation: 6,
    pass: 7,
    subscan: 8,
  }),
  pipedForm(22, {
    start: 0,
    stop: 1,
    rotation: 4,
    patch: 5,
    azimuthMin: 6,
    azimuthMax: 7,
    elevation: 8,
    pass: 19,
    subscan: 20,
  }),
];
