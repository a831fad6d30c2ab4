import * as z from 'zod/mini';

/** A JSON Web Key Set with at least one key: missing key material refuses to start. */
export const jwks = z.object({
  keys: z
    .array(z.looseObject({ kty: z.string(), kid: z.string().check(z.minLength(1)) }))
    .check(z.minLength(1)),
});
