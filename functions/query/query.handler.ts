/** Reads records from a replica, merged with the buffer. */
import { serve } from '../../lib/api/serve.ts';
import { authenticate } from '../../lib/credentials/authenticate.ts';
import { connectAuthentication } from '../../lib/credentials/connect-authentication.ts';
import { connect } from '../../lib/function/connect.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { listExecutedObsUnits, readExecutedObsUnit } from './executed-obs-units.ts';
import { spec } from './query.function.ts';
import { readAudit } from './read-audit.ts';
import { readBuffer } from './read-buffer.ts';
import { readTransferOverview } from './read-transfer-overview.ts';
import { listTransactions, readTransaction } from './transactions.ts';

const parts = connect(spec, ({ settings, site }) => ({
  ...connectAuthentication(settings, site),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: spec.name,
    statementTimeoutMilliseconds: 10_000,
  }),
  now: Date.now,
}));

export const handler = serve('query', {
  parts,
  identify: async (request, connected) => ({ principal: await authenticate(connected, request) }),
  steps: {
    readExecutedObsUnit,
    listExecutedObsUnits,
    readTransaction,
    listTransactions,
    readBuffer,
    readTransferOverview,
    readAudit,
  },
});
