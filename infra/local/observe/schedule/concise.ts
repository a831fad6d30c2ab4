/** The concise form, TOAST's default since February 2023. */
import { betweenBlanks, integerField, numberField, timeBetweenBlanks } from './text-form.ts';

export const concise = betweenBlanks('11 fields between blanks', [
  timeBetweenBlanks('start'),
  timeBetweenBlanks('stop'),
  numberField('rotation'),
  // words with one blank between them: the writer puts more before the next column, so a column too many is no part of a name
  String.raw`(?<patch>\S+(?: \S+)*)`,
  numberField('azimuthMin'),
  numberField('azimuthMax'),
  numberField('elevation'),
  integerField('pass'),
  integerField('subscan'),
]);
