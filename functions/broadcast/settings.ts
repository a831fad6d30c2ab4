import { json, positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { replicaList } from '../../lib/replication/replicas.ts';

export const settings = readEnvironment({
  REDIS_URL: text,
  REDIS_TOKEN: text,
  REDIS_PREFIX: text,
  REPLICAS: json(replicaList),
  WEBSOCKET_ENDPOINT: text,
  BROADCAST_FUNCTION_NAME: text,
  BROADCAST_LIFETIME_SECONDS: positiveInteger,
});
