import { createServer } from 'node:net';
import { once } from 'node:events';

/** A free port on the loopback interface; another process may take it before it is used. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const mostTries = 5;

/**
 * Starts a server that needs a port number, and tries another port if the first is taken.
 * @param wanted the only port to try
 * @param pick picks a port; for tests
 * @throws any other error of `start`
 */
export async function onFreePort<T>(
  wanted: number | undefined,
  start: (port: number) => Promise<T>,
  pick: () => Promise<number> = freePort,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start(wanted ?? (await pick()));
    } catch (error) {
      const isTaken = error instanceof Error && /address already in use/i.test(error.message);
      if (wanted !== undefined || !isTaken || tries === mostTries) throw error;
    }
  }
}
