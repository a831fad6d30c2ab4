/** In an instance: loses the connections that it has, as a network does while the instance is frozen. */
import { Socket } from 'node:net';
import type { Fate } from './limits/freeze.ts';

const open = new Set<Socket>();

/** To be called before anything connects. */
export function watchConnections(): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its socket below
  const connect = Socket.prototype.connect;
  Socket.prototype.connect = function watched(this: Socket, ...args: never[]) {
    open.add(this);
    this.once('close', () => open.delete(this));
    return Reflect.apply(connect, this, args) as Socket;
  };
}

export function loseConnections(fate: Fate): void {
  for (const socket of open) if (!socket.connecting && socket.remotePort !== undefined) lose(socket, fate);
}

/** Node's own hooks, which every write goes through: nothing of it reaches the network. */
function lose(socket: Socket, fate: Fate): void {
  const handle = (socket as unknown as { readonly _handle?: { readonly readStop?: () => void } })._handle;
  handle?.readStop?.();
  const swallow = (done: () => void) => {
    done();
    if (fate === 'vanished') return;
    const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' });
    setImmediate(() => socket.destroy(error));
  };
  Object.assign(socket, {
    _write: (_chunk: unknown, _encoding: unknown, done: () => void) => swallow(done),
    _writev: (_chunks: unknown, done: () => void) => swallow(done),
  });
}
