/** A quiet stack of the tree in argv[2], with its data in argv[3]: sends its description, stops at SIGTERM. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { endWithParent } from '../../infra/local/process.ts';
import type { startStack as StartStack } from '../../infra/local/stack.ts';

endWithParent();
const [, , tree = '', directory = ''] = process.argv;
const module: unknown = await import(pathToFileURL(join(tree, 'infra/local/stack.ts')).href);
const { startStack } = module as { readonly startStack: typeof StartStack };
const stack = await startStack({
  directory,
  httpPort: 0,
  roundTripMilliseconds: 0,
  durable: true,
  runSchedules: false,
  log: () => undefined,
});
await stack.quiesce();
process.once('SIGTERM', () => void stack.stop().then(() => process.exit(0)));
process.send?.(stack.description);
