import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

/** @throws if API Gateway throttles or does not answer */
export type Post = (connectionId: string, message: string) => Promise<'sent' | 'gone'>;
export type Disconnect = (connectionId: string) => Promise<void>;
/** @throws if the state is unknown */
export type IsOpen = (connectionId: string) => Promise<boolean>;

/** More sockets than concurrent posts, because slow posts keep theirs. */
const sockets = { keepAlive: true, maxSockets: 512 };

export interface Poster {
  readonly post: Post;
  readonly disconnect: Disconnect;
  readonly isOpen: IsOpen;
}

/** @param endpoint of the WebSocket API, with its stage */
export function connectionPoster(endpoint: string): Poster {
  const client = new ApiGatewayManagementApiClient({
    endpoint,
    // the mailbox retries
    maxAttempts: 1,
    requestHandler: {
      requestTimeout: 5000,
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent(sockets),
      httpsAgent: new HttpsAgent(sockets),
    },
  });
  return {
    post: async (connectionId, message) => {
      try {
        await client.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: message }));
        return 'sent';
      } catch (error) {
        if (isGone(error)) return 'gone';
        throw error;
      }
    },
    disconnect: async (connectionId) => {
      try {
        await client.send(new DeleteConnectionCommand({ ConnectionId: connectionId }));
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    },
    isOpen: async (connectionId) => {
      try {
        await client.send(new GetConnectionCommand({ ConnectionId: connectionId }));
        return true;
      } catch (error) {
        if (isGone(error)) return false;
        throw error;
      }
    },
  };
}

function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return error.name === 'GoneException' || $metadata?.httpStatusCode === 410;
}
