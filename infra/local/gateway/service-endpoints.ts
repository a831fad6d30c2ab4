/** What the functions reach through the AWS SDK besides SQS: `@connections` of the WebSocket API, and Lambda's Invoke. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { limits } from '../../limits.ts';
import { functions, webSocketStage, type FunctionName } from '../../topology.ts';
import type { AsynchronousInvocations } from '../asynchronous-invocations.ts';
import { isTooLarge, Refused } from '../limits/invocation.ts';
import type { Invoke } from './http-api.ts';
import type { Posted, WebSocketApi } from './web-socket-api.ts';

export interface ServiceParts {
  readonly invoke: Invoke;
  readonly asynchronous: Pick<AsynchronousInvocations, 'submit'>;
}

export async function answerService(
  webSockets: WebSocketApi,
  parts: ServiceParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);

  const [, name] = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(path) ?? [];
  if (name !== undefined) return invokeByName(parts, name, request, body, response);
  const prefix = `/${webSocketStage}/@connections/`;
  if (!path.startsWith(prefix)) return fail(response, 404, 'NotFoundException', 'no such service');
  const id = decodeURIComponent(path.slice(prefix.length));
  switch (request.method) {
    case 'POST':
      return posted(response, webSockets.post(id, body));
    case 'DELETE':
      return posted(response, webSockets.disconnect(id));
    default: {
      const found = webSockets.describe(id);
      if (!found) return posted(response, 'gone');
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(found));
    }
  }
}

function posted(response: ServerResponse, outcome: Posted): void {
  switch (outcome) {
    case 'sent':
      response.writeHead(200).end();
      return;
    case 'gone':
      return fail(response, 410, 'GoneException', 'the connection is not there');
    case 'too large':
      return fail(response, 413, 'PayloadTooLargeException', 'a message has at most 128 KB');
    case 'throttled':
      return fail(
        response,
        429,
        'LimitExceededException',
        'too many requests, or the client takes too little',
      );
  }
}

async function invokeByName(
  { invoke, asynchronous }: ServiceParts,
  name: string,
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): Promise<void> {
  if (!(name in functions)) return fail(response, 404, 'ResourceNotFoundException', `no function ${name}`);
  const functionName = name as FunctionName;
  const event: unknown = body.length > 0 ? JSON.parse(body.toString('utf8')) : {};
  const trace = [request.headers['x-amzn-trace-id']].flat()[0];
  if (request.headers['x-amz-invocation-type'] === 'Event') {
    if (isTooLarge(event, limits.asynchronousBytes.value))
      return refuse(response, new Refused('RequestTooLargeException', 'the event is too large'));
    asynchronous.submit(functionName, event, trace).catch(() => undefined);
    response.writeHead(202).end();
    return;
  }
  try {
    const answer = JSON.stringify(await invoke(functionName, event, trace));
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer);
  } catch (error) {
    if (error instanceof Refused) return refuse(response, error);
    const errorMessage = error instanceof Error ? error.message : String(error);
    response.writeHead(200, { 'X-Amz-Function-Error': 'Unhandled' }).end(JSON.stringify({ errorMessage }));
  }
}

function refuse(response: ServerResponse, { status, name, message }: Refused): void {
  fail(response, status, name, message);
}

function fail(response: ServerResponse, status: number, type: string, message: string): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'x-amzn-ErrorType': type })
    .end(JSON.stringify({ message }));
}
