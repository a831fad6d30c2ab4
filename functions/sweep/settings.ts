import { json, positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { redisVariables } from '../../lib/config/variables.ts';
import { replicaList } from '../../lib/replication/replicas.ts';

export const settings = readEnvironment({
  ...redisVariables,
  TRANSACTIONS_QUEUE_URL: text,
  TRANSACTIONS_DEAD_LETTER_QUEUE_URL: text,
  REPLICATION_CHECKS_DEAD_LETTER_QUEUE_URL: text,
  REPLICATION_CHECKS_QUEUE_URL: text,
  BUFFER_BUDGET_BYTES: positiveInteger,
  REPLICAS: json(replicaList),
  BROADCAST_FUNCTION_NAME: text,
});
