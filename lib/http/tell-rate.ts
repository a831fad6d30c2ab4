import type { Request } from './request.ts';

/**
 * Every answer to this request says how many more may come in this second
 * (draft-ietf-httpapi-ratelimit-headers-10).
 */
export function tellRate({ replyHeaders }: Request, perSecond: number, remaining: number): void {
  replyHeaders.set('RateLimit-Policy', `"requests";q=${perSecond};w=1`);
  replyHeaders.set('RateLimit', `"requests";r=${Math.max(0, Math.floor(remaining))};t=1`);
}
