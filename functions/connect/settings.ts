import { positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';

export const settings = readEnvironment({
  REDIS_URL: text,
  REDIS_TOKEN: text,
  REDIS_PREFIX: text,
  BROADCAST_FUNCTION_NAME: text,
  SOCKETS_PER_USER: positiveInteger,
});
