import * as z from 'zod/mini';
import { json, positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { jwks } from '../../lib/config/jwks.ts';

/** Milliseconds, or `always`: the answer waits for SQS whatever it takes. */
const answerBudget = z.union([
  z.pipe(
    z.literal('always'),
    z.transform(() => Infinity),
  ),
  positiveInteger,
]);

export const settings = readEnvironment({
  REDIS_URL: text,
  REDIS_TOKEN: text,
  REDIS_PREFIX: text,
  JWT_PUBLIC_JWKS: json(jwks),
  JWT_ISSUER: text,
  JWT_AUDIENCE: text,
  TRANSACTIONS_QUEUE_URL: text,
  ANSWER_BUDGET_MS: answerBudget,
  REDIS_TIMEOUT_MS: positiveInteger,
  BUFFER_BUDGET_BYTES: positiveInteger,
  RATE_LIMIT_PER_SECOND: positiveInteger,
});
