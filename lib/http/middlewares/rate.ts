import type { Contract } from '../operation.ts';
import type { Request } from '../request.ts';
import { exchangeOf, type Middleware } from './exchange.ts';

export type CountedBy = NonNullable<Contract['rate']>;

/** Counts a request, for as long as there is no principal to count. @throws ProblemError 429, 503 */
export type Rates = Readonly<Record<CountedBy, (request: Request) => Promise<void>>>;

/** Requests without a principal; those with one are counted as it is looked up. */
export function rate(rates: Rates | undefined): Middleware {
  return {
    before: async ({ context }) => {
      const { contract, request } = exchangeOf(context);
      if (contract.rate !== undefined) await rates?.[contract.rate](request);
    },
  };
}
