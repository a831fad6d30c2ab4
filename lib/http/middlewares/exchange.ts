import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type { Contract } from '../operation.ts';
import type { Reply, Request } from '../request.ts';

/** The state that the middlewares share during a request. */
export interface Exchange {
  readonly contract: Contract;
  readonly request: Request;
  /** input of the step: its identity and the parsed request, added by the middlewares */
  asked: object;
}

export type Middleware = MiddlewareObj<
  APIGatewayProxyEventV2,
  Reply,
  Error,
  Context & { exchange?: Exchange }
>;

/** @throws Error if the route is not known yet, which means that the middlewares are in the wrong order */
export function exchangeOf({ exchange }: { readonly exchange?: Exchange }): Exchange {
  if (exchange === undefined) throw new Error('the route is not known yet');
  return exchange;
}
