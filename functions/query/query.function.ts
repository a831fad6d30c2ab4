import { accessTokens, common, rateLimit, redis, replicas } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'query',
  entry: 'functions/query/query.handler.ts',
  description: 'smart query for scripts, plain query for the UI',
  trigger: { kind: 'http' },
  timeoutSeconds: 29,
  memoryMegabytes: 1024,
  concurrency: 10,
  database: true,
  redisTimeoutMilliseconds: 1000,
  settings: { ...common, ...redis, ...accessTokens, ...rateLimit, ...replicas },
} as const satisfies FunctionSpec;
