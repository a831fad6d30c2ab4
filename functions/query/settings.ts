import { json, positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { accessTokenVariables, redisVariables } from '../../lib/config/variables.ts';
import { replicaList } from '../../lib/replication/replicas.ts';

export const settings = readEnvironment({
  ...redisVariables,
  ...accessTokenVariables,
  PROBED_QUEUE_URL: text,
  RATE_LIMIT_PER_SECOND: positiveInteger,
  REPLICAS: json(replicaList),
});
