/** The concise form, TOAST's default since February 2023. */
import { betweenBlanks, integerField, numberField, timeBetweenBlanks } from './text-form.ts';

export const concise = betweenBlanks('11 fields between blanks', [
  timeBetweenBlanks('start'),
  timeBetweenBlanks('stop'),
  numberField('rotation'),
  // words separated by one blank: TOAST writes several before the next column, so that an extra column is not part of the name
  String.raw`(?<patch>\S+(?: \S+)*)`,
  numberField('azimuthMin'),
  numberField('azimuthMax'),
  numberField('elevation'),
  integerField('pass'),
  integerField('subscan'),
]);
