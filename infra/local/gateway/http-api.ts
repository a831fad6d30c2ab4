/** API Gateway's HTTP API: requests become events of payload format 2.0, results become responses. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod/mini';
import { pathPattern } from '../../../lib/http/path-pattern.ts';
import { limits } from '../../limits.ts';
import { cors, fallback, httpRoutes, type FunctionName } from '../../topology.ts';
import { isRefused } from '../limits/invocation.ts';
import type { TokenBucket } from '../limits/token-bucket.ts';

/** @param trace the header `X-Amzn-Trace-Id` that came with the event */
export type Invoke = (name: FunctionName, event: unknown, trace?: string) => Promise<unknown>;

const structured = z.object({
  statusCode: z.int(),
  headers: z.optional(z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))),
  body: z.optional(z.string()),
  cookies: z.optional(z.array(z.string())),
  isBase64Encoded: z.optional(z.boolean()),
});

const matchers = httpRoutes.map((route) => ({
  routeKey: `${route.method} ${route.path}`,
  method: route.method,
  function: route.function,
  pattern: pathPattern(route.path),
  /** a route without parameters goes before one with */
  parameters: (route.path.match(/\{/g) ?? []).length,
}));
matchers.sort((a, b) => a.parameters - b.parameters);

/** @param account the rate of the account; absent: without bound */
export async function answerHttp(
  invoke: Invoke,
  request: IncomingMessage,
  response: ServerResponse,
  account?: TokenBucket,
  integrationMilliseconds: number = limits.httpIntegrationSeconds.value * 1000,
): Promise<void> {
  const [rawPath = '/', rawQueryString = ''] = (request.url ?? '/').split('?');
  if (account && !account.take(performance.now())) return send(response, ...tooManyRequests);
  if (answerCors(request, response)) return;
  const match =
    matchers.find(({ method, pattern }) => method === request.method && pattern.test(rawPath)) ?? fallback;
  const body = await readBody(request);
  if (body === undefined) return send(response, ...tooLarge);
  const event = eventOf(request, { rawPath, rawQueryString, body }, match);
  let result: unknown;
  try {
    result = await within(integrationMilliseconds, invoke(match.function, event));
  } catch (error) {
    return send(response, ...answerTo(error));
  }
  const parsed = structured.safeParse(result);
  if (!parsed.success) return send(response, 200, result);
  const { statusCode, headers = {}, body: text = '', cookies, isBase64Encoded } = parsed.data;
  for (const [key, value] of Object.entries(headers)) response.setHeader(key, String(value));
  if (cookies) response.setHeader('Set-Cookie', cookies);
  response.writeHead(statusCode).end(isBase64Encoded ? Buffer.from(text, 'base64') : text);
}

/** API Gateway's own answers, which no deployment can shape. */
const tooManyRequests = [429, { message: 'Too Many Requests' }] as const;
const tooLarge = [413, { message: 'Request Entity Too Large' }] as const;
const unavailable = [503, { message: 'Service Unavailable' }] as const;

function answerTo(error: unknown): readonly [number, object] {
  if (error === tooLate || isRefused(error, 'TooManyRequestsException')) return unavailable;
  if (isRefused(error, 'RequestTooLargeException')) return tooLarge;
  return [500, { message: 'Internal Server Error' }];
}

const tooLate = new Error('the function has not answered in time');

/** @throws tooLate; the function goes on, and nobody hears of its answer */
export async function within<T>(milliseconds: number, answering: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooLate), milliseconds);
  });
  try {
    return await Promise.race([answering, late]);
  } finally {
    clearTimeout(timer);
    answering.catch(() => undefined);
  }
}

/** Where a frontend is developed; a deployment names its own. */
const localOrigin = /^http:\/\/(localhost|127\.0\.0\.1)(:\d+)?$/;

/** As API Gateway does it: preflights never reach a function. @returns whether that was all */
function answerCors(request: IncomingMessage, response: ServerResponse): boolean {
  const { origin = '' } = request.headers;
  const isPreflight = request.method === 'OPTIONS' && 'access-control-request-method' in request.headers;
  if (localOrigin.test(origin)) {
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Allow-Credentials', 'true');
    response.setHeader('Access-Control-Expose-Headers', cors.exposeHeaders.join(','));
    response.setHeader('Vary', 'Origin');
    if (isPreflight) {
      response.setHeader('Access-Control-Allow-Methods', cors.methods.join(','));
      response.setHeader('Access-Control-Allow-Headers', cors.allowHeaders.join(','));
      response.setHeader('Access-Control-Max-Age', String(cors.maxAgeSeconds));
    }
  }
  if (isPreflight) response.writeHead(204).end();
  return isPreflight;
}

function eventOf(
  request: IncomingMessage,
  { rawPath, rawQueryString, body }: { rawPath: string; rawQueryString: string; body: Buffer },
  { routeKey, pattern }: { readonly routeKey: string; readonly pattern?: RegExp },
) {
  const groups = pattern?.exec(rawPath)?.groups;
  const { cookie, ...headers } = joinedHeaders(request);
  const query = queryOf(rawQueryString);
  const isText = /^(text\/|application\/(json|javascript|xml|.*\+json))/.test(
    headers['content-type'] ?? 'text/',
  );
  const now = new Date();
  return {
    version: '2.0',
    routeKey,
    rawPath,
    rawQueryString,
    ...(cookie !== undefined && { cookies: cookie.split(/; */) }),
    headers,
    ...(query && { queryStringParameters: query }),
    ...(groups && {
      pathParameters: Object.fromEntries(
        Object.entries(groups).map(([name, value]) => [name, decodePart(value)]),
      ),
    }),
    requestContext: {
      accountId: '000000000000',
      apiId: 'local',
      domainName: headers.host ?? '127.0.0.1',
      domainPrefix: 'local',
      http: {
        method: request.method ?? '',
        path: rawPath,
        protocol: 'HTTP/1.1',
        sourceIp: request.socket.remoteAddress ?? '',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey,
      stage: '$default',
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    ...(body.length > 0 && { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

/** Names in lower case, repeated headers joined by commas. */
export function joinedHeaders(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headersDistinct).flatMap(([name, values]) =>
      values === undefined ? [] : [[name, values.join(name === 'cookie' ? '; ' : ',')]],
    ),
  );
}

/** Repeated parameters joined by commas; undefined without any. */
export function queryOf(text: string): Record<string, string> | undefined {
  const query: Record<string, string> = {};
  for (const [key, value] of new URLSearchParams(text)) {
    query[key] = query[key] === undefined ? value : `${query[key]},${value}`;
  }
  return Object.keys(query).length > 0 ? query : undefined;
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @returns undefined if it is too large */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size <= limits.httpBodyBytes.value) chunks.push(bytes);
  }
  return size > limits.httpBodyBytes.value ? undefined : Buffer.concat(chunks);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
