/**
 * JSON that keeps the digits of its numbers. A number that a double would change is kept as raw JSON in the spelling of `jsonb`, so that
 * `JSON.stringify` writes it digit for digit. Every other number is a plain number.
 */

export type Json = null | boolean | string | number | RawJson | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Digits before or after the decimal point. `numeric` of Postgres holds more; a double has 309 and 324 at most. */
const maxDigits = 400;

/**
 * Matches numbers whose text a double may not preserve: negative zero; those below 1e-6, which JavaScript writes with an exponent; those
 * with an exponent, with trailing zeros in the fraction, or with more than 15 digits except integers of 16 digits below 2^53. Text in
 * strings may match too, but UUIDs and instants do not.
 */
const mayLoseDigits =
  /(?:^|[[,:\s])(?:-0|-?0\.000000|-?\d[\d.]*[eE]|-?\d+\.\d*0(?=[\s,}\]]|$)|-?(?=[\d.]{16})(?![1-8]\d{15}(?![\d.])))/;

/**
 * @throws SyntaxError if it is not JSON; RangeError for a number with more than 400 digits
 */
export function parseJson(text: string): Json {
  if (!mayLoseDigits.test(text)) return JSON.parse(text) as Json;
  return JSON.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? keepDigits(source) : value,
  ) as Json;
}

function keepDigits(source: string): number | RawJson {
  const digits = canonicalNumber(source);
  if (digits === undefined) throw new RangeError(`a number has more than ${maxDigits} digits`);
  return isExact(digits) ? Number(digits) : JSON.rawJSON(digits);
}

function isExact(digits: string): boolean {
  return String(Number(digits)) === digits;
}

/**
 * The spelling of a JSON number in `jsonb`: without an exponent, with trailing zeros of the fraction.
 * @param source a JSON number @returns undefined if it needs more than 400 digits on either side of the decimal point
 */
export function canonicalNumber(source: string): string | undefined {
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const exponent = Number(exponentText);
  const digits = whole + fraction;
  if (Math.abs(exponent) > maxDigits + digits.length) {
    return undefined;
  }
  const point = whole.length + exponent;
  const before = (point > 0 ? digits.slice(0, point).padEnd(point, '0') : '').replace(/^0+(?=\d)/, '') || '0';
  const scale = Math.max(0, fraction.length - exponent);
  const after = scale === 0 ? '' : digits.slice(Math.max(0, point)).padStart(scale, '0').slice(-scale);
  if (before.length > maxDigits || after.length > maxDigits) return undefined;
  const unsigned = after === '' ? before : `${before}.${after}`;
  return /[1-9]/.test(unsigned) ? sign + unsigned : unsigned;
}

/** A number whose digits a double would change. */
export function isRawNumber(value: unknown): value is RawJson {
  return JSON.isRawJSON(value);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value);
}

/**
 * JSON text that is equal for equal values: keys are sorted at every depth, and equal numbers have one spelling (1.50 becomes 1.5), that of
 * a double if it holds the number. The form is frozen, because identities of transactions are hashes of it.
 */
export function identityJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (isRawNumber(each)) return normalized(each.rawJSON);
    if (!isJsonObject(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function normalized(digits: string): number | RawJson {
  const shortest = withoutTrailingZeros(digits);
  const asDouble = Number(digits);
  const isHeld =
    Number.isFinite(asDouble) && withoutTrailingZeros(canonicalNumber(String(asDouble)) ?? '') === shortest;
  return isHeld ? asDouble : JSON.rawJSON(shortest);
}

function withoutTrailingZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
}

/** Converts a raw number to a double if that changes only its spelling (`7.0`). Returns other values unchanged. */
export function asDouble(value: unknown): unknown {
  return isRawNumber(value) ? normalized(value.rawJSON) : value;
}

/** Rounds raw numbers to doubles, as the first release read JSON. */
export function withDoubles(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}
