/** Health has a function of its own: nothing that takes long, or waits, stands before it. */
import { serve } from '../../lib/api/serve.ts';
import { connect } from '../../lib/function/connect.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { patienceMilliseconds, spec } from './health.function.ts';
import { readHealth } from './read-health.ts';

const parts = connect(spec, ({ settings, site }) => ({
  ...site,
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: spec.name,
    statementTimeoutMilliseconds: patienceMilliseconds,
  }),
  /** only asked whether it is there */
  queue: new Queue({
    url: settings.PROBED_QUEUE_URL,
    timeoutMilliseconds: patienceMilliseconds,
    maxAttempts: 1,
  }),
}));

export const handler = serve('health', { parts, steps: { readHealth } });
