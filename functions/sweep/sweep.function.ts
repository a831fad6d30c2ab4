import {
  broadcaster,
  bufferBudget,
  checksQueue,
  common,
  deadLetterQueues,
  redis,
  replicas,
  transactionsQueue,
} from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'sweep',
  entry: 'functions/sweep/sweep.handler.ts',
  description: 'every minute: resend, confirm, relay, prune',
  // the next run makes up for one that fails or comes late
  trigger: { kind: 'schedule', everySeconds: 60, retries: 0, maxAgeSeconds: 60 },
  timeoutSeconds: 55,
  memoryMegabytes: 512,
  concurrency: 1,
  database: true,
  settings: {
    ...common,
    ...redis,
    ...transactionsQueue,
    ...checksQueue,
    ...deadLetterQueues,
    ...replicas,
    ...bufferBudget,
    ...broadcaster,
  },
} as const satisfies FunctionSpec;
