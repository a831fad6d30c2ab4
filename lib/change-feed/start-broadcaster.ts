import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

/** Starts function `name` without waiting for it. A second one finds the lease taken, and ends. */
export function broadcasterStarter(name: string): () => Promise<void> {
  const lambda = new LambdaClient({
    maxAttempts: 2,
    requestHandler: { requestTimeout: 2000, throwOnRequestTimeout: true },
  });
  return async () => {
    await lambda.send(new InvokeCommand({ FunctionName: name, InvocationType: 'Event', Payload: '{}' }));
  };
}
