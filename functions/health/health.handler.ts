/** Health has a function of its own: nothing that takes long, or waits, stands before it. */
import { serve } from '../../lib/api/serve.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { patienceMilliseconds, type HealthParts } from './health.ts';
import { readHealth } from './read-health.ts';
import { settings } from './settings.ts';

const parts: HealthParts = {
  redis: connectRedis({
    url: settings.REDIS_URL,
    token: settings.REDIS_TOKEN,
    timeoutMilliseconds: patienceMilliseconds,
  }),
  keys: keysOf(settings.REDIS_PREFIX),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: 'health',
    statementTimeoutMilliseconds: patienceMilliseconds,
  }),
  /** only asked whether it is there */
  queue: new Queue({
    url: settings.PROBED_QUEUE_URL,
    timeoutMilliseconds: patienceMilliseconds,
    maxAttempts: 1,
  }),
};

export const handler = serve('health', { parts, steps: { readHealth } });
