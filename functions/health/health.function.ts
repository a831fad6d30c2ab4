import { common, probedQueue, redis, replicas } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

/** Health waits for stores twice in sequence and must answer within a second. */
export const storeTimeoutMilliseconds = 400;

export const spec = {
  name: 'health',
  entry: 'functions/health/health.handler.ts',
  description: 'reports whether writes can be accepted; separate from slow requests',
  trigger: { kind: 'http' },
  timeoutSeconds: 5,
  memoryMegabytes: 512,
  concurrency: 5,
  database: true,
  redisTimeoutMilliseconds: storeTimeoutMilliseconds,
  settings: { ...common, ...redis, ...probedQueue, ...replicas },
} as const satisfies FunctionSpec;
