import { accessTokens, common, rateLimit, redis, replicas } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'query',
  entry: 'functions/query/query.handler.ts',
  description: 'reads: records, transactions, buffer, audit, transfer overview',
  trigger: { kind: 'http' },
  timeoutSeconds: 29,
  memoryMegabytes: 1024,
  concurrency: 20,
  database: true,
  redisTimeoutMilliseconds: 1000,
  settings: { ...common, ...redis, ...accessTokens, ...rateLimit, ...replicas },
} as const satisfies FunctionSpec;
