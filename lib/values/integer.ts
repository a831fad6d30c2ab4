/** Whole numbers that clients send. */
import * as z from 'zod/mini';
import { asDouble } from './json.ts';

/** Of an `integer` column of Postgres. */
export const largestInteger = 2_147_483_647;

/** A JSON number without a fraction, however it is spelled: 7, 7.0 and 70e-1 are one. */
export const wholeNumber = (minimum: number, maximum: number) =>
  z.pipe(z.transform(asDouble), bounded(minimum, maximum));

/** The decimal digits of one, as a query parameter or a part of a path has them. */
export const wholeNumberText = (minimum: number, maximum: number) =>
  z.pipe(
    z.pipe(
      z.string().check(z.meta(documented(minimum, maximum))),
      z.transform((text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined)),
    ),
    bounded(minimum, maximum),
  );

function bounded(minimum: number, maximum: number) {
  return z
    .custom<number>(
      (value) => Number.isSafeInteger(value) && Number(value) >= minimum && Number(value) <= maximum,
      `must be a whole number from ${minimum} to ${maximum}`,
    )
    .check(z.meta(documented(minimum, maximum)));
}

/** As JSON Schema. */
function documented(minimum: number, maximum: number) {
  return { type: 'integer', minimum, maximum };
}
