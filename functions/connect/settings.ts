import { positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { redisVariables } from '../../lib/config/variables.ts';

export const settings = readEnvironment({
  ...redisVariables,
  BROADCAST_FUNCTION_NAME: text,
  SOCKETS_PER_USER: positiveInteger,
  WEBSOCKET_ENDPOINT: text,
});
