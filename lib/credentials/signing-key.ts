/** Key material of access tokens. One key signs; several are published, so that keys can be rotated with an overlap. */
import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWK } from 'jose';
import { hkdfSync } from 'node:crypto';
import * as z from 'zod/mini';
import { algorithm, publicKeysOf } from './access-token.ts';

/** A private Ed25519 key. */
export const signingKey = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  kid: z.string().check(z.minLength(1)),
  x: z.string().check(z.minLength(1)),
  d: z.string().check(z.minLength(1)),
});

/**
 * Checks that the published keys verify the signatures of the signing key.
 * @throws Error if they do not; the function fails to start
 */
export function requirePublished(signing: z.infer<typeof signingKey>, published: JSONWebKeySet): void {
  const found = published.keys.find(({ kid }) => kid === signing.kid);
  if (!found) throw new Error(`the signing key ${signing.kid} is not among the published keys`);
  if (found.x !== signing.x)
    throw new Error(`the published key ${signing.kid} does not match the signing key`);
}

/** Derives a secret key from the signing key. @param purpose unique to its use */
export function deriveKey(signing: z.infer<typeof signingKey>, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', signing.d, '', `ops-db ${purpose}`, 32));
}

/** The content of the secret: `jwks` is published, `signing` is in use, `next` will replace it. */
export interface KeyMaterial {
  readonly jwks: JSONWebKeySet;
  readonly signing: JWK;
  readonly next?: JWK;
}

export async function newSigningKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(algorithm, { crv: 'Ed25519', extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: algorithm };
}

export const keySteps = {
  /** Creates the first key. */
  create: (made: JWK): KeyMaterial => ({ jwks: publicKeysOf({ keys: [made] }), signing: made }),

  /** Step 1: publishes the next key, so that every verifier has it before it signs. */
  publish: ({ jwks, signing }: KeyMaterial, made: JWK): KeyMaterial => ({
    jwks: publicKeysOf({ keys: [...jwks.keys, made] }),
    signing,
    next: made,
  }),

  /** Step 2: signs with the next key; the old one remains published. */
  sign: ({ jwks, next }: KeyMaterial): KeyMaterial => {
    if (!next) throw new Error('publish the next key and deploy first');
    return { jwks, signing: next };
  },

  /** Step 3: removes the old key from the published ones, once every token that it signed has expired. */
  retire: ({ jwks, signing, next }: KeyMaterial): KeyMaterial => {
    if (next) throw new Error('the next key does not sign yet, so no key can be retired');
    return { jwks: { keys: jwks.keys.filter(({ kid }) => kid === signing.kid) }, signing };
  },
} as const;
