/** Decisions of admins about transactions. A decision is a transaction itself: buffered, applied once, audited. */
import { serve } from '../../lib/api/serve.ts';
import { authenticate } from '../../lib/credentials/authenticate.ts';
import { connectAuthentication } from '../../lib/credentials/connect-authentication.ts';
import { connect } from '../../lib/function/connect.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { spec } from './decide.function.ts';
import { discardTransaction, retryTransaction } from './decisions.ts';

const parts = connect(spec, ({ settings, site, log }) => ({
  ...connectAuthentication(settings, site),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: spec.name,
    statementTimeoutMilliseconds: 5000,
  }),
  queue: new Queue({ url: settings.TRANSACTIONS_QUEUE_URL }),
  log,
  limits: {
    requestsPerSecond: settings.RATE_LIMIT_PER_SECOND,
    budgetBytes: settings.BUFFER_BUDGET_BYTES,
  },
  now: Date.now,
}));

export const handler = serve('decide', {
  parts,
  identify: async (request, connected) => ({ principal: await authenticate(connected, request) }),
  steps: { retryTransaction, discardTransaction },
});
