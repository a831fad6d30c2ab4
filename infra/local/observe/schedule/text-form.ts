/** Patterns shared by the text forms of TOAST. */
import type { ScanFields } from './scan.ts';

export interface TextForm {
  /** describes the number of fields and their separator */
  readonly name: string;
  /** @returns undefined if the line does not have the fields of this form */
  readonly fieldsOf: (line: string) => ScanFields | undefined;
}

type FieldName = keyof ScanFields;

/** A date and a time, until August 2019 followed by `UTC`. TOAST counts two fields. */
export const timeBetweenBlanks = (name: FieldName) =>
  String.raw`(?<${name}>\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?: UTC)?)`;

export const number = String.raw`[+-]?\d+(?:\.\d*)?`;
export const numberField = (name: FieldName) => `(?<${name}>${number})`;
export const integerField = (name: FieldName) => String.raw`(?<${name}>[+-]?\d+)`;

/** A form whose fields are separated by blanks, each matched by its pattern. */
export function betweenBlanks(name: string, patterns: readonly string[]): TextForm {
  const line = new RegExp(String.raw`^\s*${patterns.join(String.raw`\s+`)}\s*$`);
  return { name, fieldsOf: (text) => toFields(line.exec(text)?.groups) };
}

function toFields(groups: Readonly<Record<string, string>> | undefined): ScanFields | undefined {
  if (!groups) return undefined;
  const { start = '', stop = '', rotation = '0', patch = '' } = groups;
  const { azimuthMin = '', azimuthMax = '', elevation = '', pass = '', subscan = '0' } = groups;
  return { start, stop, rotation, patch, azimuthMin, azimuthMax, elevation, pass, subscan };
}
