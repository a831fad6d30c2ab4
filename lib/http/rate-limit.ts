/** Rate limits of requests. The accept function counts in its own script instead. */
import { Ratelimit } from '@upstash/ratelimit';
import type { Redis } from '../redis/client.ts';
import { problem } from './problem.ts';
import type { Request } from './request.ts';
import { setRateHeaders } from './rate-headers.ts';

/** A sliding window of one second. The library's script locks only its own keys. */
export function rateLimiter(redis: Redis, prefix: string, requestsPerSecond: number): Ratelimit {
  return new Ratelimit({
    redis,
    prefix: `${prefix}:rate`,
    limiter: Ratelimit.slidingWindow(requestsPerSecond, '1 s'),
    analytics: false,
    ephemeralCache: false,
    enableProtection: false,
    // without Redis, do not let requests pass: their credentials cannot be checked either
    timeout: 0,
  });
}

/** @throws ProblemError 429; 503 if it cannot be counted */
export async function countRequest(limiter: Ratelimit, request: Request, key: string): Promise<void> {
  const { success, limit, remaining } = await limiter.limit(key).catch((error: unknown) => {
    throw problem
      .unavailable('Requests cannot be counted at the moment. Please try again.', 2)
      .because(error);
  });
  setRateHeaders(request, limit, remaining);
  if (!success) throw problem.tooManyRequests(`At most ${limit} requests per second are allowed.`, 1);
}
