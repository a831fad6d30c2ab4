import { json, positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { redisVariables } from '../../lib/config/variables.ts';
import { replicaList } from '../../lib/replication/replicas.ts';

export const settings = readEnvironment({
  ...redisVariables,
  REPLICAS: json(replicaList),
  WEBSOCKET_ENDPOINT: text,
  BROADCAST_FUNCTION_NAME: text,
  BROADCAST_LIFETIME_SECONDS: positiveInteger,
});
