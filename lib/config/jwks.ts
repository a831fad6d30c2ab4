import * as z from 'zod/mini';

const publicKey = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  kid: z.string().check(z.minLength(1)),
  /** 32 bytes */
  x: z.string().check(z.regex(/^[\w-]{43}$/)),
});

/** A JSON Web Key Set that verifies access tokens. With missing or invalid keys a function does not start. */
export const jwks = z
  .object({ keys: z.array(publicKey).check(z.minLength(1)) })
  .check(
    z.refine(
      ({ keys }) => new Set(keys.map(({ kid }) => kid)).size === keys.length,
      'two keys have the same kid',
    ),
  );
