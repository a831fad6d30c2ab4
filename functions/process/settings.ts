import { json, positiveInteger, readEnvironment, text } from '../../lib/config/environment.ts';
import { redisVariables } from '../../lib/config/variables.ts';
import { replicaList } from '../../lib/replication/replicas.ts';

const shared = {
  ...redisVariables,
  TRANSACTIONS_QUEUE_URL: text,
  REPLICATION_CHECKS_QUEUE_URL: text,
  REPLICAS: json(replicaList),
};

export const readApplySettings = () =>
  readEnvironment({ ...shared, MAIN_DATABASE_URL: text, START_WAIT_SECONDS: positiveInteger });

export const readConfirmSettings = () => readEnvironment(shared);
