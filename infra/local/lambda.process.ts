/** An instance of a function: loads its bundle, then handles one event at a time. */
import { pathToFileURL } from 'node:url';
import type { Fate } from './limits/freeze.ts';
import { loseConnections, watchConnections } from './lost-connections.ts';
import { endWithParent } from './process.ts';

interface Invocation {
  readonly id: string;
  readonly event: unknown;
  readonly deadline: number;
  readonly trace: string;
  /** what became of the connections since the last event */
  readonly fate?: Fate;
}

type Handler = (event: unknown, context: object) => Promise<unknown>;

endWithParent();
watchConnections();
const { handler } = (await import(pathToFileURL(process.argv[2] ?? '').href)) as { handler: Handler };

process.on('message', (invocation: Invocation) => void answer(invocation));
process.send?.({ ready: true });

async function answer({ id, event, deadline, trace, fate }: Invocation): Promise<void> {
  if (fate) loseConnections(fate);
  // as the runtime does it: the AWS SDK reads it there
  process.env._X_AMZN_TRACE_ID = trace;
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
