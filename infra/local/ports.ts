import { createServer } from 'node:net';
import { once } from 'node:events';

/** A port on the loopback interface that is free now; somebody else may take it before it is used. */
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
 * Starts a server that must be told its port; on another port if somebody has taken the first one meanwhile.
 * @param wanted this port and no other
 * @param pick gives a port; for tests
 * @throws whatever `start` throws for another reason
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
