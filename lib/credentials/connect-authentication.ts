import type * as z from 'zod/mini';
import { rateLimiter } from '../http/rate-limit.ts';
import type { accessTokenVariables, redisVariables } from '../config/variables.ts';
import { connectRedis } from '../redis/client.ts';
import { keysOf } from '../redis/keys.ts';
import { accessTokenVerifier } from './access-token.ts';
import type { AuthenticationParts } from './authenticate.ts';

type Settings = {
  readonly [Name in keyof typeof redisVariables]: string;
} & {
  readonly [Name in keyof typeof accessTokenVariables]: z.infer<(typeof accessTokenVariables)[Name]>;
} & { readonly RATE_LIMIT_PER_SECOND: number };

/** What `authenticate` needs, from the function's settings. */
export function connectAuthentication(settings: Settings, timeoutMilliseconds: number): AuthenticationParts {
  const redis = connectRedis({ url: settings.REDIS_URL, token: settings.REDIS_TOKEN, timeoutMilliseconds });
  return {
    redis,
    limiter: rateLimiter(redis, settings.REDIS_PREFIX, settings.RATE_LIMIT_PER_SECOND),
    keys: keysOf(settings.REDIS_PREFIX),
    verifyAccessToken: accessTokenVerifier(settings.JWT_PUBLIC_JWKS, {
      issuer: settings.JWT_ISSUER,
      audience: settings.JWT_AUDIENCE,
    }),
  };
}
