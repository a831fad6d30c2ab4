import { json, readEnvironment, text } from '../../lib/config/environment.ts';
import { redisVariables } from '../../lib/config/variables.ts';
import { replicaList } from '../../lib/replication/replicas.ts';

export const settings = readEnvironment({
  ...redisVariables,
  PROBED_QUEUE_URL: text,
  REPLICAS: json(replicaList),
});
