/** Access tokens of users: JWTs signed by the site itself, so that they can be refreshed and verified during an outage. */
import { createLocalJWKSet, errors, importJWK, jwtVerify, SignJWT, type JSONWebKeySet, type JWK } from 'jose';
import * as z from 'zod/mini';
import { problem } from '../http/problem.ts';
import { permissions, rolePermissions, roles } from '../people/permissions.ts';
import type { Principal } from '../people/principal.ts';

export const algorithm = 'EdDSA';
const type = 'at+jwt';
const clockToleranceSeconds = 5;

export interface AccessTokenSettings {
  readonly issuer: string;
  readonly audience: string;
}

const claims = z.object({
  sub: z.string().check(z.regex(/^\d{1,15}$/)),
  name: z.string(),
  role: z.enum(roles),
  permissions: z.array(z.enum(permissions)),
  sid: z.string().check(z.minLength(1)),
  jti: z.string().check(z.minLength(1)),
  exp: z.number(),
});

export type VerifyAccessToken = (token: string) => Promise<Principal>;

/**
 * Creates the verifier of access tokens. It checks the signature (EdDSA only, by the key of `jwks` with the token's `kid`), type,
 * issuer, audience and times. It throws ProblemError 401, without details that would help an attacker.
 */
export function accessTokenVerifier(jwks: JSONWebKeySet, settings: AccessTokenSettings): VerifyAccessToken {
  const keys = createLocalJWKSet(jwks);
  return async (token) => {
    try {
      const { payload } = await jwtVerify(
        token,
        (header, jws) => {
          if (typeof header.kid !== 'string') throw new errors.JWTInvalid('kid is missing');
          return keys(header, jws);
        },
        {
          ...settings,
          algorithms: [algorithm],
          typ: type,
          clockTolerance: clockToleranceSeconds,
          requiredClaims: ['exp', 'iat', 'nbf', 'jti', 'sub'],
        },
      );
      const { data: read } = claims.safeParse(payload);
      if (!read) throw new errors.JWTInvalid('not the claims of an access token');
      return {
        id: read.sub,
        name: read.name,
        role: read.role,
        permissions: read.permissions.filter((each) => rolePermissions[read.role].includes(each)),
        credential: 'session',
        sessionId: read.sid,
        expiresAt: read.exp,
      };
    } catch (error) {
      // other errors are not the token's fault
      if (!(error instanceof errors.JOSEError)) throw error;
      throw problem.unauthorized(
        error instanceof errors.JWTExpired
          ? 'The access token has expired.'
          : 'The access token is not valid.',
      );
    }
  };
}

/** The public part of a key set. */
export function publicKeysOf({ keys }: JSONWebKeySet): JSONWebKeySet {
  return {
    keys: keys.map(({ kty, crv, x, kid, alg }) => ({ kty, crv, x, kid, alg, use: 'sig' })),
  };
}

export interface SessionClaims {
  readonly id: string;
  readonly name: string;
  readonly role: Principal['role'];
  readonly sessionId: string;
}

/**
 * Signs an access token with the private `key`.
 * @param times epoch seconds; `id` makes the token unique
 */
export async function signAccessToken(
  key: JWK,
  settings: AccessTokenSettings,
  session: SessionClaims,
  times: { readonly issuedAt: number; readonly expiresAt: number; readonly id: string },
): Promise<string> {
  return new SignJWT({
    name: session.name,
    role: session.role,
    permissions: rolePermissions[session.role],
    sid: session.sessionId,
  })
    .setProtectedHeader({ alg: algorithm, typ: type, kid: z.string().parse(key.kid) })
    .setIssuer(settings.issuer)
    .setAudience(settings.audience)
    .setSubject(session.id)
    .setIssuedAt(times.issuedAt)
    .setNotBefore(times.issuedAt)
    .setExpirationTime(times.expiresAt)
    .setJti(times.id)
    .sign(await importJWK(key, algorithm));
}
