/** The real handlers, as the cloud invokes them. */
import type {
  APIGatewayProxyEventV2,
  APIGatewayProxyStructuredResultV2,
  Context,
  SQSBatchResponse,
  SQSEvent,
} from 'aws-lambda';

export interface HttpRequest {
  readonly function: HttpFunction;
  readonly method: string;
  /** as the contract writes it */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export type HttpFunction = 'accept' | 'query' | 'decide';

interface Message {
  readonly id: string;
  readonly body: string;
  readonly receives: number;
  readonly receipt: string;
}

type Handler<Event, Answer> = (event: Event, context: Context) => Promise<Answer>;

export interface Functions {
  readonly http: (request: HttpRequest, id: string) => Promise<HttpAnswer>;
  /** @returns ids of the messages that are given back */
  readonly consume: (name: 'apply' | 'confirm', messages: readonly Message[]) => Promise<ReadonlySet<string>>;
  readonly sweep: () => Promise<void>;
}

const context = { awsRequestId: 'simulated', callbackWaitsForEmptyEventLoop: true } as Context;

/** To be called after the stores' stand-ins and the clock are in place. */
export async function loadFunctions(): Promise<Functions> {
  const load = async <Event, Answer>(path: string) => {
    const module = (await import(`../../functions/${path}.handler.ts`)) as {
      handler: Handler<Event, Answer>;
    };
    return module.handler;
  };
  type Http = Handler<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2>;
  const http: Readonly<Record<HttpFunction, Http>> = {
    accept: await load('accept/accept'),
    query: await load('query/query'),
    decide: await load('decide/decide'),
  };
  const queues = {
    apply: await load<SQSEvent, SQSBatchResponse>('process/apply'),
    confirm: await load<SQSEvent, SQSBatchResponse>('process/confirm'),
  };
  const sweep = await load<object, void>('sweep/sweep');
  return {
    http: async (request, id) => answerOf(await http[request.function](eventOf(request, id), { ...context })),
    consume: async (name, messages) => {
      const answer = await queues[name]({ Records: messages.map(recordOf) } as SQSEvent, { ...context });
      return new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    },
    sweep: () => sweep({}, { ...context }),
  };
}

function recordOf({ id, body, receives, receipt }: Message) {
  return {
    messageId: id,
    receiptHandle: receipt,
    body,
    attributes: { ApproximateReceiveCount: String(receives) },
  };
}

function eventOf({ method, path, params = {}, query = '', headers, body }: HttpRequest, requestId: string) {
  const rawPath = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '');
  return {
    version: '2.0',
    routeKey: `${method} ${path}`,
    rawPath,
    rawQueryString: query,
    queryStringParameters: Object.fromEntries(new URLSearchParams(query)),
    headers: {
      host: 'observatory.invalid',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    requestContext: { requestId, http: { method, path: rawPath, sourceIp: '127.0.0.1' } },
    pathParameters: params,
    ...(body !== undefined && { body }),
    isBase64Encoded: false,
  } as unknown as APIGatewayProxyEventV2;
}

function answerOf({ statusCode = 0, headers = {}, body }: APIGatewayProxyStructuredResultV2): HttpAnswer {
  const texts = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)] as const);
  return {
    status: statusCode,
    headers: Object.fromEntries(texts),
    body: body === undefined || body === '' ? undefined : (JSON.parse(body) as unknown),
  };
}
