/** How often one may ask. The accept function counts in its own script instead. */
import { Ratelimit } from '@upstash/ratelimit';
import type { Redis } from '../redis/client.ts';
import { problem } from './problem.ts';
import type { Request } from './request.ts';
import { tellRate } from './tell-rate.ts';

/** A sliding window of one second. The library counts in a script of its own that locks its keys alone. */
export function rateLimiter(redis: Redis, prefix: string, requestsPerSecond: number): Ratelimit {
  return new Ratelimit({
    redis,
    prefix: `${prefix}:rate`,
    limiter: Ratelimit.slidingWindow(requestsPerSecond, '1 s'),
    analytics: false,
    ephemeralCache: false,
    enableProtection: false,
    // with Redis away nothing is let through unseen: the credential cannot be checked either
    timeout: 0,
  });
}

/** @throws ProblemError 429; 503 if it cannot be counted */
export async function countRequest(limiter: Ratelimit, request: Request, who: string): Promise<void> {
  const { success, limit, remaining } = await limiter.limit(who).catch((error: unknown) => {
    throw problem
      .unavailable('Requests cannot be counted at the moment. Please try again.', 2)
      .because(error);
  });
  tellRate(request, limit, remaining);
  if (!success) throw problem.tooManyRequests(`At most ${limit} requests a second.`, 1);
}
