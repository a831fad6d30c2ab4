/** Variables of several functions. A variable of a single function is in its spec. */
import * as z from 'zod/mini';
import { json, positiveInteger, text } from './environment.ts';
import { jwks } from './jwks.ts';
import { fromDeployment, queueUrl, secret, setting } from './variable.ts';

/** Variables of every function. */
export const common = {
  LOG_LEVEL: setting(z.enum(['debug', 'info', 'warn', 'error']), 'info'),
  /** CloudFormation reads secrets again only for functions with another change; changing this variable changes them all. */
  CREDENTIALS_VERSION: fromDeployment(text, 'a new value whenever a secret has changed', '1'),
};

export const redis = {
  REDIS_URL: secret(text, 'redis', 'url'),
  REDIS_TOKEN: secret(text, 'redis', 'token'),
  /** Prefix of all keys of an observatory in a shared Redis. */
  REDIS_PREFIX: setting(text, 'ops'),
};

const replicaList = z.array(z.object({ name: z.string(), url: z.string() })).check(z.minLength(1));

export const replicas = {
  /** JSON: [{"name": "site", "url": "postgres://…"}, …], nearest first */
  REPLICAS: secret(json(replicaList), 'replicas', 'replicas'),
};

/** For verifying access tokens. */
export const accessTokens = {
  /** JWKS with the public keys */
  JWT_PUBLIC_JWKS: secret(json(jwks), 'jwt', 'jwks'),
  JWT_ISSUER: fromDeployment(text, 'issuer of the access tokens: the public origin of this API'),
  JWT_AUDIENCE: setting(text, 'ops-db'),
};

export const transactionsQueue = { TRANSACTIONS_QUEUE_URL: queueUrl(text, 'transactions') };
export const checksQueue = { REPLICATION_CHECKS_QUEUE_URL: queueUrl(text, 'replicationChecks') };
export const deadLetterQueues = {
  TRANSACTIONS_DEAD_LETTER_QUEUE_URL: queueUrl(text, 'transactions', 'deadLetters'),
  REPLICATION_CHECKS_DEAD_LETTER_QUEUE_URL: queueUrl(text, 'replicationChecks', 'deadLetters'),
};
/** Only probed. */
export const probedQueue = { PROBED_QUEUE_URL: queueUrl(text, 'transactions', 'probe') };

export const rateLimit = { RATE_LIMIT_PER_SECOND: setting(positiveInteger, '100') };

/** Size at which the buffer counts as full. */
export const bufferBudget = { BUFFER_BUDGET_BYTES: setting(positiveInteger, String(512 * 1024 * 1024)) };

export const broadcaster = {
  BROADCAST_FUNCTION_NAME: {
    schema: text,
    source: { kind: 'functionName', function: 'broadcast' },
  },
} as const;

export const webSocketEndpoint = {
  WEBSOCKET_ENDPOINT: { schema: text, source: { kind: 'managementEndpoint' } },
} as const;
