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
  readonly stop: () => void;
}

/** Forwards connections to `target` until they are broken. */
export async function startBreakingProxy(target: number): Promise<BreakingProxy> {
  const open = new Set<readonly [Socket, Socket]>();
  let count = 0;
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
    reset: () => {
      for (const [near] of open) near.resetAndDestroy();
    },
    vanish: () => {
      for (const [near, far] of open) {
        near.unpipe(far).resume();
        far.unpipe(near).resume();
      }
    },
    stop: () => {
      for (const pair of open) for (const each of pair) each.destroy();
      server.close();
    },
  };
}
