import { positiveInteger, text } from '../../lib/config/environment.ts';
import { secret, setting } from '../../lib/config/variable.ts';
import { checksQueue, common, redis, replicas, transactionsQueue } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'apply',
  entry: 'functions/process/apply.handler.ts',
  description: 'apply a batch on main → capture LSN → mark → publish',
  trigger: { kind: 'queue', queue: 'transactions', batchSize: 10 },
  timeoutSeconds: 15,
  memoryMegabytes: 512,
  concurrency: 5,
  database: true,
  settings: {
    ...common,
    ...redis,
    ...transactionsQueue,
    ...checksQueue,
    ...replicas,
    MAIN_DATABASE_URL: secret(text, 'main', 'url'),
    /** A finish that has waited this long for its start while main was reachable is shown as failed. */
    START_WAIT_SECONDS: setting(positiveInteger, '900'),
  },
} as const satisfies FunctionSpec;
