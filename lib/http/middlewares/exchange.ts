import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type { Contract } from '../operation.ts';
import type { Reply, Request } from '../request.ts';

/** What the middlewares have learnt of one request so far. */
export interface Exchange {
  readonly contract: Contract;
  readonly request: Request;
  /** for the step: who asks, and what was parsed */
  asked: object;
}

export type Middleware = MiddlewareObj<
  APIGatewayProxyEventV2,
  Reply,
  Error,
  Context & { exchange?: Exchange }
>;

/** @throws Error before the route is known, which is a defect in the order of the middlewares */
export function exchangeOf({ exchange }: { readonly exchange?: Exchange }): Exchange {
  if (exchange === undefined) throw new Error('no route has been found yet');
  return exchange;
}
