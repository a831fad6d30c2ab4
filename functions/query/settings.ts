import { json, positiveInteger, readEnvironment } from '../../lib/config/environment.ts';
import { accessTokenVariables, redisVariables } from '../../lib/config/variables.ts';
import { replicaList } from '../../lib/replication/replicas.ts';

export const settings = readEnvironment({
  ...redisVariables,
  ...accessTokenVariables,
  RATE_LIMIT_PER_SECOND: positiveInteger,
  REPLICAS: json(replicaList),
});
