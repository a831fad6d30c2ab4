import * as z from 'zod/mini';
import { positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { accessTokenVariables, redisVariables } from '../../lib/config/variables.ts';

/** Milliseconds, or `always`: the answer waits for SQS whatever it takes. */
const answerBudget = z.union([
  z.pipe(
    z.literal('always'),
    z.transform(() => Infinity),
  ),
  positiveInteger,
]);

export const settings = readEnvironment({
  ...redisVariables,
  ...accessTokenVariables,
  TRANSACTIONS_QUEUE_URL: text,
  ANSWER_BUDGET_MS: answerBudget,
  REDIS_TIMEOUT_MS: positiveInteger,
  BUFFER_BUDGET_BYTES: positiveInteger,
  RATE_LIMIT_PER_SECOND: positiveInteger,
});
