import type { accessTokens, rateLimit, redis } from '../config/variables.ts';
import type { SettingsOf } from '../function/connect.ts';
import { rateLimiter } from '../http/rate-limit.ts';
import type { Site } from '../redis/site.ts';
import { accessTokenVerifier } from './access-token.ts';
import type { AuthenticationParts } from './authenticate.ts';

type Settings = SettingsOf<typeof redis & typeof accessTokens & typeof rateLimit>;

/** Creates the parts of `authenticate` from the settings of a function. */
export function connectAuthentication(settings: Settings, site: Site): AuthenticationParts {
  return {
    ...site,
    limiter: rateLimiter(site.redis, settings.REDIS_PREFIX, settings.RATE_LIMIT_PER_SECOND),
    verifyAccessToken: accessTokenVerifier(settings.JWT_PUBLIC_JWKS, {
      issuer: settings.JWT_ISSUER,
      audience: settings.JWT_AUDIENCE,
    }),
  };
}
