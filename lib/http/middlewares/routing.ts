/** Finds the operation of an API Gateway event (payload 2.0). */
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { Contract } from '../operation.ts';
import type { Request } from '../request.ts';
import type { Middleware } from './exchange.ts';

/**
 * @param contracts by operation name
 * @param otherwise creates the error for requests that match no route
 */
export function routing(
  contracts: Readonly<Record<string, Contract>>,
  otherwise: (method: string, path: string) => Error,
): Middleware {
  const byKey = new Map<string, { readonly operation: string; readonly contract: Contract }>(
    Object.entries(contracts).map(
      ([operation, contract]) => [`${contract.method} ${contract.path}`, { operation, contract }] as const,
    ),
  );
  return {
    before: (exchanged) => {
      const { event } = exchanged;
      const found = byKey.get(asGet(event.routeKey));
      if (!found) throw otherwise(event.requestContext.http.method, event.rawPath);
      const { operation, contract } = found;
      const request = readRequest(event, { operation, access: contract.access });
      exchanged.context = { ...exchanged.context, exchange: { contract, request, asked: request } };
    },
  };
}

/** HEAD is handled like GET; API Gateway drops the body. */
function asGet(routeKey: string): string {
  return routeKey.replace(/^HEAD /, 'GET ');
}

function readRequest(event: APIGatewayProxyEventV2, route: Request['route']): Request {
  const lowerCase = Object.entries(event.headers).map(([key, value]) => [key.toLowerCase(), value] as const);
  return {
    route,
    path: event.rawPath,
    given: { params: {}, query: {}, body: undefined },
    headers: Object.fromEntries(lowerCase),
    cookies: event.cookies ?? [],
    requestId: event.requestContext.requestId,
    sourceIp: event.requestContext.http.sourceIp,
    receivedAt: Date.now(),
    replyHeaders: new Map(),
  };
}
