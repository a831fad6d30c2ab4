import * as z from 'zod/mini';
import { positiveInteger } from '../../lib/config/environment.ts';
import { setting } from '../../lib/config/variable.ts';
import {
  accessTokens,
  bufferBudget,
  common,
  rateLimit,
  redis,
  transactionsQueue,
} from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

/** Milliseconds, or `always` to wait for SQS without a limit. */
const answerBudget = z.union([
  z.pipe(
    z.literal('always'),
    z.transform(() => Infinity),
  ),
  positiveInteger,
]);

export const spec = {
  name: 'accept',
  entry: 'functions/accept/accept.handler.ts',
  description: 'authenticate → build → buffer → enqueue → 201',
  trigger: { kind: 'http' },
  timeoutSeconds: 5,
  memoryMegabytes: 1024,
  concurrency: 40,
  database: false,
  settings: {
    ...common,
    ...redis,
    ...accessTokens,
    ...transactionsQueue,
    ...bufferBudget,
    ...rateLimit,
    /** Longest wait for SQS before accept answers, counted from the request. */
    ANSWER_BUDGET_MS: setting(answerBudget, '15'),
    /** Longest wait for Redis before accept falls back to SQS alone. */
    REDIS_TIMEOUT_MS: setting(positiveInteger, '300'),
  },
} as const satisfies FunctionSpec;
