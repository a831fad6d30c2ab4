import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CountingProxy {
  readonly url: string;
  /** number of requests so far */
  readonly count: () => number;
  readonly stop: () => void;
}

/** Forwards HTTP requests to `target` and counts them. */
export async function countRequests(target: string): Promise<CountingProxy> {
  let count = 0;
  const server = createServer((incoming, response) => {
    count += 1;
    const { method, headers, url } = incoming;
    const outgoing = request(target + (url ?? ''), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: () => count,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
