import { positiveInteger, readEnvironment } from '../../lib/config/environment.ts';
import { accessTokenVariables, redisVariables } from '../../lib/config/variables.ts';

export const settings = readEnvironment({
  ...redisVariables,
  ...accessTokenVariables,
  TICKETS_PER_SECOND: positiveInteger,
});
