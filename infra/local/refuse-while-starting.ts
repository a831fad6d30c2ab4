import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { problem } from '../../lib/http/problem.ts';

const startingSeconds = 2;

/** Answers requests with 503 until the parts are up. */
export function refuseWhileStarting(server: Server): { readonly end: () => void } {
  const { problem: body, headers } = problem.unavailable(
    'The system is starting. Nothing was recorded: repeat the request in a moment.',
    startingSeconds,
    { recorded: false },
  );
  const text = JSON.stringify(body);
  const all = { ...headers, 'Content-Type': 'application/problem+json' };
  const refuse = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(body.status, { ...all, Connection: 'close' }).end(text);
  };
  const refuseSocket = (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => undefined);
    socket.end(
      `HTTP/1.1 503 Service Unavailable\r\nRetry-After: ${startingSeconds}\r\nConnection: close\r\n\r\n`,
    );
  };
  server.on('request', refuse).on('upgrade', refuseSocket);
  return { end: () => void server.off('request', refuse).off('upgrade', refuseSocket) };
}
