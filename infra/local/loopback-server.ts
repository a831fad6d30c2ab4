/** HTTP servers on loopback ports. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** @param port 0 = any free port @throws Error if the port is busy */
export async function listening(port: number): Promise<{ server: Server; url: string }> {
  const server = createServer();
  server.keepAliveTimeout = 65_000;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
}

export async function answerOr500(answering: Promise<void>, response: ServerResponse): Promise<void> {
  try {
    await answering;
  } catch {
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
}
