import { json, readEnvironment, text } from '../../lib/config/environment.ts';
import { jwks } from '../../lib/config/jwks.ts';
import { replicaList } from '../../lib/replication/replicas.ts';

export const settings = readEnvironment({
  REDIS_URL: text,
  REDIS_TOKEN: text,
  REDIS_PREFIX: text,
  JWT_PUBLIC_JWKS: json(jwks),
  JWT_ISSUER: text,
  JWT_AUDIENCE: text,
  TRANSACTIONS_QUEUE_URL: text,
  REPLICAS: json(replicaList),
});
