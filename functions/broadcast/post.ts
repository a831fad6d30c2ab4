import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';

export type Post = (connectionId: string, message: string) => Promise<'sent' | 'gone'>;

/** @param endpoint of the WebSocket API, with its stage */
export function connectionPoster(endpoint: string): Post {
  const client = new ApiGatewayManagementApiClient({
    endpoint,
    maxAttempts: 3,
    requestHandler: { requestTimeout: 3000, throwOnRequestTimeout: true },
  });
  return async (connectionId, message) => {
    try {
      await client.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: message }));
      return 'sent';
    } catch (error) {
      if (isGone(error)) return 'gone';
      throw error;
    }
  };
}

function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return error.name === 'GoneException' || $metadata?.httpStatusCode === 410;
}
