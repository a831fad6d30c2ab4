import { WebSocket } from 'ws';
import { plainWebSocketPath, webSocketPath } from '../../infra/topology.ts';

export interface TestSocket {
  /** every message so far, in order */
  readonly messages: readonly string[];
  readonly send: (message: object) => void;
  readonly sendText: (text: string) => void;
  readonly isOpen: () => boolean;
  readonly close: () => void;
}

/** Opens a WebSocket subscribed to the transfer overview. @throws Error with the status of a refused handshake */
export function connectSocket(origin: string, ticket: string | undefined): Promise<TestSocket> {
  const query = ticket === undefined ? '' : `?ticket=${encodeURIComponent(ticket)}`;
  return connect(`${origin}${webSocketPath.path}${query}`);
}

/** Opens a WebSocket without a subscription. */
export function connectPlainSocket(origin: string, ticket: string): Promise<TestSocket> {
  return connect(`${origin}${plainWebSocketPath}?ticket=${encodeURIComponent(ticket)}`);
}

async function connect(url: string): Promise<TestSocket> {
  const socket = new WebSocket(url);
  const messages: string[] = [];
  socket.on('message', (data: Buffer) => messages.push(data.toString('utf8')));
  await new Promise((opened, failed) => {
    socket.once('open', opened);
    socket.once('error', failed);
  });
  socket.on('error', () => undefined);
  return {
    messages,
    send: (message) => socket.send(JSON.stringify(message)),
    sendText: (text) => socket.send(text),
    isOpen: () => socket.readyState === WebSocket.OPEN,
    close: () => socket.terminate(),
  };
}
