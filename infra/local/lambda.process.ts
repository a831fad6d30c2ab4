/** An instance of a function: loads its bundle, then handles one event at a time. */
import { pathToFileURL } from 'node:url';
import { endWithParent } from './process.ts';

interface Invocation {
  readonly id: string;
  readonly event: unknown;
  readonly deadline: number;
}

type Handler = (event: unknown, context: object) => Promise<unknown>;

endWithParent();
const { handler } = (await import(pathToFileURL(process.argv[2] ?? '').href)) as { handler: Handler };

process.on('message', (invocation: Invocation) => void answer(invocation));
process.send?.({ ready: true });

async function answer({ id, event, deadline }: Invocation): Promise<void> {
  const context = {
    awsRequestId: id,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  try {
    process.send?.({ id, result: await handler(event, context) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
