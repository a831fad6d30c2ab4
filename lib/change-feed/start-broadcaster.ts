import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

/** Invokes function `name` asynchronously. If a broadcaster is already running, the new one ends because the lease is taken. */
export function broadcasterStarter(name: string): () => Promise<void> {
  const lambda = new LambdaClient({
    maxAttempts: 2,
    requestHandler: { requestTimeout: 2000, throwOnRequestTimeout: true },
  });
  return async () => {
    await lambda.send(new InvokeCommand({ FunctionName: name, InvocationType: 'Event', Payload: '{}' }));
  };
}
