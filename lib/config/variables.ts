/** Groups of variables that several functions read. */
import { json, text } from './environment.ts';
import { jwks } from './jwks.ts';

export const redisVariables = { REDIS_URL: text, REDIS_TOKEN: text, REDIS_PREFIX: text };

/** What verifies access tokens. */
export const accessTokenVariables = {
  JWT_PUBLIC_JWKS: json(jwks),
  JWT_ISSUER: text,
  JWT_AUDIENCE: text,
};
