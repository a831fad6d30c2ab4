import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface BreakingProxy {
  readonly port: number;
  /** number of connections so far */
  readonly count: () => number;
  /** resets all open connections */
  readonly reset: () => void;
  /** makes all open connections discard data silently; new ones work */
  readonly vanish: () => void;
  /** number of Postgres queries discarded so far */
  readonly discardedQueries: () => number;
  readonly stop: () => void;
}

/** The first byte of a query without parameters. */
const simpleQuery = 'Q'.charCodeAt(0);

/** Forwards connections to `target` until they are broken. */
export async function startBreakingProxy(target: number): Promise<BreakingProxy> {
  const open = new Set<readonly [Socket, Socket]>();
  let count = 0;
  let discarded = 0;
  const server = createServer((near) => {
    count += 1;
    const far = connect(target, '127.0.0.1');
    const pair = [near, far] as const;
    open.add(pair);
    near.pipe(far).pipe(near);
    for (const each of pair) each.on('error', () => undefined).on('close', () => open.delete(pair));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    count: () => count,
    discardedQueries: () => discarded,
    reset: () => {
      for (const [near] of open) near.resetAndDestroy();
    },
    vanish: () => {
      for (const [near, far] of open) {
        near.unpipe(far).on('data', (chunk: Buffer) => (discarded += chunk[0] === simpleQuery ? 1 : 0));
        near.resume();
        far.unpipe(near).resume();
      }
    },
    stop: () => {
      for (const pair of open) for (const each of pair) each.destroy();
      server.close();
    },
  };
}
