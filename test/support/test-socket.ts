import { WebSocket } from 'ws';
import { webSocketPath } from '../../infra/topology.ts';

export interface TestSocket {
  /** every message so far, in order */
  readonly messages: readonly string[];
  readonly close: () => void;
}

/** Opens a WebSocket with a ticket. @throws Error with the status of a refused handshake */
export async function connectSocket(origin: string, ticket: string | undefined): Promise<TestSocket> {
  const query = ticket === undefined ? '' : `?ticket=${encodeURIComponent(ticket)}`;
  const socket = new WebSocket(`${origin}${webSocketPath.path}${query}`);
  const messages: string[] = [];
  socket.on('message', (data: Buffer) => messages.push(data.toString('utf8')));
  await new Promise((opened, failed) => {
    socket.once('open', opened);
    socket.once('error', failed);
  });
  socket.on('error', () => undefined);
  return { messages, close: () => socket.terminate() };
}
