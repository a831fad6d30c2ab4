import type { Request } from './request.ts';

/** Adds the remaining requests of this second to the answer (draft-ietf-httpapi-ratelimit-headers-10). */
export function setRateHeaders({ replyHeaders }: Request, perSecond: number, remaining: number): void {
  replyHeaders.set('RateLimit-Policy', `"requests";q=${perSecond};w=1`);
  replyHeaders.set('RateLimit', `"requests";r=${Math.max(0, Math.floor(remaining))};t=1`);
}
