/** Key material of access tokens. One key signs; more are published, so that a change of keys has an overlap. */
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
 * What this site signs must verify at every function.
 * @throws Error that keeps a function from starting
 */
export function requirePublished(signing: z.infer<typeof signingKey>, published: JSONWebKeySet): void {
  const found = published.keys.find(({ kid }) => kid === signing.kid);
  if (!found) throw new Error(`the signing key ${signing.kid} is not among the published keys`);
  if (found.x !== signing.x) throw new Error(`the published key ${signing.kid} is another one`);
}

/** A key for what only this site must be able to make, from the one that it has. @param purpose no other may use it */
export function deriveKey(signing: z.infer<typeof signingKey>, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', signing.d, '', `ops-db ${purpose}`, 32));
}

/** The content of the secret: `jwks` is published, `signing` signs, `next` will. */
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
  /** From nothing. */
  create: (made: JWK): KeyMaterial => ({ jwks: publicKeysOf({ keys: [made] }), signing: made }),

  /** First: the next key is published, so that every verifier knows it before it signs. */
  publish: ({ jwks, signing }: KeyMaterial, made: JWK): KeyMaterial => ({
    jwks: publicKeysOf({ keys: [...jwks.keys, made] }),
    signing,
    next: made,
  }),

  /** Then: it signs; the old one is still published. */
  sign: ({ jwks, next }: KeyMaterial): KeyMaterial => {
    if (!next) throw new Error('publish the next key first, and deploy');
    return { jwks, signing: next };
  },

  /** At last, when everything that the old one signed has expired: it is published no more. */
  retire: ({ jwks, signing, next }: KeyMaterial): KeyMaterial => {
    if (next) throw new Error('the next key does not sign yet: nothing can be retired');
    return { jwks: { keys: jwks.keys.filter(({ kid }) => kid === signing.kid) }, signing };
  },
} as const;
