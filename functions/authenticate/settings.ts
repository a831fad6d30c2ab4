import { positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { accessTokenVariables, redisVariables } from '../../lib/config/variables.ts';

export const settings = readEnvironment({
  ...redisVariables,
  ...accessTokenVariables,
  TICKETS_PER_SECOND: positiveInteger,
  TRANSACTIONS_QUEUE_URL: text,
  BUFFER_BUDGET_BYTES: positiveInteger,
  RATE_LIMIT_PER_SECOND: positiveInteger,
});
