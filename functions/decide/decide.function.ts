import {
  accessTokens,
  bufferBudget,
  common,
  rateLimit,
  redis,
  replicas,
  transactionsQueue,
} from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'decide',
  entry: 'functions/decide/decide.handler.ts',
  description: 'retry or discard transactions that main has set aside',
  trigger: { kind: 'http' },
  timeoutSeconds: 15,
  memoryMegabytes: 512,
  concurrency: 5,
  database: true,
  redisTimeoutMilliseconds: 2000,
  settings: {
    ...common,
    ...redis,
    ...accessTokens,
    ...transactionsQueue,
    ...replicas,
    ...bufferBudget,
    ...rateLimit,
  },
} as const satisfies FunctionSpec;
