/** Health is a separate function, so that no slow or waiting request can delay it. */
import { serve } from '../../lib/api/serve.ts';
import { connect } from '../../lib/function/connect.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { storeTimeoutMilliseconds, spec } from './health.function.ts';
import { readHealth } from './read-health.ts';

const parts = connect(spec, ({ settings, site }) => ({
  ...site,
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: spec.name,
    statementTimeoutMilliseconds: storeTimeoutMilliseconds,
  }),
  /** only probed */
  queue: new Queue({
    url: settings.PROBED_QUEUE_URL,
    timeoutMilliseconds: storeTimeoutMilliseconds,
    maxAttempts: 1,
  }),
}));

export const handler = serve('health', { parts, steps: { readHealth } });
