import type { Request } from '../request.ts';
import { exchangeOf, type Middleware } from './exchange.ts';

/** What is known of the asker: a principal or a claimant. @throws ProblemError 401, 403, 429, 503 */
export type Identify = (request: Request) => Promise<object>;

/** Who asks, and that they may: before anything else of the request is looked at. Public operations read no credential. */
export function identity(identify: Identify | undefined): Middleware {
  return {
    before: async ({ context }) => {
      const exchange = exchangeOf(context);
      if (exchange.contract.access === 'public') return;
      if (identify === undefined) throw new Error('a closed operation in a function that identifies nobody');
      exchange.asked = { ...exchange.asked, ...(await identify(exchange.request)) };
    },
  };
}
