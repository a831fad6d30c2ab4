/** Whole numbers from clients. */
import * as z from 'zod/mini';
import { asDouble } from './json.ts';

/** Maximum of an `integer` column of Postgres. */
export const maxInteger = 2_147_483_647;

/** A JSON number without a fraction, in any spelling: 7, 7.0 and 70e-1 are equal. */
export const wholeNumber = (minimum: number, maximum: number) =>
  z.pipe(z.transform(asDouble), bounded(minimum, maximum));

/** A whole number as decimal text, for query and path parameters. */
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
