import type { Request } from '../request.ts';
import { exchangeOf, type Middleware } from './exchange.ts';

/** @returns the principal or the claimant of a request @throws ProblemError 401, 403, 429, 503 */
export type Identify = (request: Request) => Promise<object>;

/** Authenticates and authorizes the request before it is parsed. Public operations ignore credentials. */
export function identity(identify: Identify | undefined): Middleware {
  return {
    before: async ({ context }) => {
      const exchange = exchangeOf(context);
      if (exchange.contract.access === 'public') return;
      if (identify === undefined)
        throw new Error('an operation that is not public, in a function without `identify`');
      exchange.asked = { ...exchange.asked, ...(await identify(exchange.request)) };
    },
  };
}
