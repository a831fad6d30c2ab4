/** HTTP functions: from an API Gateway event (payload 2.0) to the steps of its operation, and back. */
import middy from '@middy/core';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { logLevel } from '../config/log-level.ts';
import { createLog } from '../observability/log.ts';
import { bodyText, readJsonBody } from './json-body.ts';
import { noRoute } from './no-route.ts';
import { problem, ProblemError } from './problem.ts';
import { readQuery, requireStorable } from './query.ts';
import { routes, type FunctionWithRoutes, type OperationOf, type Route } from './routes.ts';

export interface Request {
  readonly route: Route;
  /** as the client wrote it, without the query */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** names in lower case */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly cookies: readonly string[];
  /** parsed JSON, undefined without a body. Reading it throws ProblemError 400, 413 */
  readonly body: unknown;
  readonly requestId: string;
  readonly sourceIp: string;
  /** when the function got it, epoch ms */
  readonly receivedAt: number;
  /** headers that the answer will have, whatever becomes of the request */
  readonly replyHeaders: Map<string, string>;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** instead of a body: sent as it is, with a Content-Type of its own */
  readonly text?: string;
  readonly cookies?: readonly string[];
}

export type Operations<F extends FunctionWithRoutes> = Readonly<
  Record<OperationOf<F>, (request: Request) => Promise<Reply>>
>;

const headers = {
  'Content-Type': 'application/json',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Strict-Transport-Security': 'max-age=63072000; includeSubDomains',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
};

/** Lambda passes on 6 MB at most. */
const maxAnswerBytes = 5.5 * 1024 * 1024;

/**
 * The handler of function `name`: each of its routes by the steps of its operation.
 * Whatever is thrown becomes a problem; what is not expected is logged and tells the client nothing of our inside.
 */
export function serve<F extends FunctionWithRoutes>(name: F, operations: Operations<F>) {
  const log = createLog(logLevel, { function: name });
  const served = routes.filter((route) => route.function === name);
  const byKey = new Map(served.map((route) => [`${route.method} ${route.path}`, route]));

  return middy<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2>()
    .onError(({ error, event, response }) => {
      if (response !== undefined) return;
      const route = byKey.get(asGet(event.routeKey));
      if (!(error instanceof ProblemError)) {
        log.error('unexpected error', {
          requestId: event.requestContext.requestId,
          route: event.routeKey,
          error,
        });
      }
      return problemResult(error, route, event.requestContext.requestId);
    })
    .handler(async (event) => {
      const route = byKey.get(asGet(event.routeKey));
      if (!route) throw noRoute(event.requestContext.http.method, event.rawPath);
      const operation = operations[route.operation as OperationOf<F>];
      const request = readRequest(event, route);
      try {
        return withHeaders(request, replyResult(await operation(request)));
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        if (error.problem.status >= 500) {
          log.warn(error.message, {
            requestId: request.requestId,
            route: event.routeKey,
            cause: error.cause,
          });
        }
        return withHeaders(request, problemResult(error, route, request.requestId));
      }
    });
}

/** HEAD is answered as GET is; the gateway leaves the body out. */
function asGet(routeKey: string): string {
  return routeKey.replace(/^HEAD /, 'GET ');
}

function readRequest(event: APIGatewayProxyEventV2, route: Route): Request {
  const receivedAt = Date.now();
  const lowerCase = Object.entries(event.headers).map(([key, value]) => [key.toLowerCase(), value] as const);
  const headers = Object.fromEntries(lowerCase);
  // without a credential the operation says so first
  const isJudged = route.access === 'public' || headers.authorization !== undefined;
  const params = Object.fromEntries(
    Object.entries(event.pathParameters ?? {}).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] as const],
    ),
  );
  if (isJudged) for (const [key, value] of Object.entries(params)) requireStorable(key, value);
  let body: { readonly value: unknown } | undefined;
  return {
    route,
    path: event.rawPath,
    params,
    query: isJudged ? readQuery(event.rawQueryString, route) : {},
    headers,
    cookies: event.cookies ?? [],
    get body() {
      body ??= { value: readJsonBody(bodyText(event.body, event.isBase64Encoded)) };
      return body.value;
    },
    requestId: event.requestContext.requestId,
    sourceIp: event.requestContext.http.sourceIp,
    receivedAt,
    replyHeaders: new Map(),
  };
}

function withHeaders(
  { replyHeaders }: Request,
  result: APIGatewayProxyStructuredResultV2,
): APIGatewayProxyStructuredResultV2 {
  return { ...result, headers: { ...result.headers, ...Object.fromEntries(replyHeaders) } };
}

function replyResult(reply: Reply): APIGatewayProxyStructuredResultV2 {
  const body = reply.text ?? (reply.body === undefined ? undefined : JSON.stringify(reply.body));
  if (body !== undefined && Buffer.byteLength(body) > maxAnswerBytes) {
    throw problem.badRequest('The answer would be too large: ask for less at a time.', {
      code: 'answer-too-large',
    });
  }
  return {
    statusCode: reply.status,
    headers: { ...headers, ...reply.headers },
    ...(body !== undefined && { body }),
    ...(reply.cookies && { cookies: [...reply.cookies] }),
  };
}

function problemResult(
  error: unknown,
  route: Route | undefined,
  requestId: string,
): APIGatewayProxyStructuredResultV2 {
  const isWrite = route?.function === 'accept' || route?.function === 'decide';
  const known = error instanceof ProblemError ? error : unexpected(isWrite);
  const { status } = known.problem;
  const recorded = isWrite && status < 500 ? { recorded: false } : {};
  return {
    statusCode: status,
    headers: { ...headers, ...known.headers, 'Content-Type': 'application/problem+json' },
    body: JSON.stringify({ ...known.problem, ...recorded, request_id: requestId }),
  };
}

function unexpected(isWrite: boolean): ProblemError {
  if (!isWrite) return problem.internal('Something went wrong on our side. Please try again.');
  return problem.internal(
    'Something went wrong on our side. It is not known whether this was recorded: repeat it with the same Idempotency-Key.',
    { recorded: null },
  );
}
