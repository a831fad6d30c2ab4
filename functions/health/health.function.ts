import { common, probedQueue, redis, replicas } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

/** Health answers within a second, whatever does not: two waits, one after the other. */
export const patienceMilliseconds = 400;

export const spec = {
  name: 'health',
  entry: 'functions/health/health.handler.ts',
  description: 'whether writes can be accepted; never behind anything that takes long',
  trigger: { kind: 'http' },
  timeoutSeconds: 5,
  memoryMegabytes: 512,
  concurrency: 5,
  database: true,
  redisTimeoutMilliseconds: patienceMilliseconds,
  settings: { ...common, ...redis, ...probedQueue, ...replicas },
} as const satisfies FunctionSpec;
