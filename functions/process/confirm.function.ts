import { checksQueue, common, redis, replicas, transactionsQueue } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'confirm',
  entry: 'functions/process/confirm.handler.ts',
  description: 'replicas have the inbox rows? clean : check again later',
  trigger: { kind: 'queue', queue: 'replicationChecks', batchSize: 10 },
  timeoutSeconds: 15,
  memoryMegabytes: 512,
  concurrency: 2,
  database: true,
  settings: { ...common, ...redis, ...transactionsQueue, ...checksQueue, ...replicas },
} as const satisfies FunctionSpec;
