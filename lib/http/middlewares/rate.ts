import type { Contract } from '../operation.ts';
import type { Request } from '../request.ts';
import { exchangeOf, type Middleware } from './exchange.ts';

export type CountedBy = NonNullable<Contract['rate']>;

/** Counts a request. @throws ProblemError 429, 503 */
export type Count = (by: CountedBy, request: Request) => Promise<void>;

/** Counts requests without a principal. Others are counted by `authenticate`. */
export function rate(count: Count | undefined): Middleware {
  return {
    before: async ({ context }) => {
      const { contract, request } = exchangeOf(context);
      if (contract.rate !== undefined) await count?.(contract.rate, request);
    },
  };
}
