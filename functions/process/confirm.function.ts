import { checksQueue, common, redis, replicas, transactionsQueue } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'confirm',
  entry: 'functions/process/confirm.handler.ts',
  description: 'replica has the inbox rows? clean : look again later',
  trigger: { kind: 'queue', queue: 'replicationChecks', batchSize: 10 },
  timeoutSeconds: 15,
  memoryMegabytes: 512,
  concurrency: 2,
  database: true,
  settings: { ...common, ...redis, ...transactionsQueue, ...checksQueue, ...replicas },
} as const satisfies FunctionSpec;
