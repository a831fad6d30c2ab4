/** People decide about what main has set aside. A decision is a transaction itself: buffered, applied once, audited. */
import * as z from 'zod/mini';
import { authenticate } from '../../lib/credentials/authenticate.ts';
import { connectAuthentication } from '../../lib/credentials/connect-authentication.ts';
import { connect } from '../../lib/function/connect.ts';
import { parse } from '../../lib/http/parse.ts';
import { serve, type Reply, type Request } from '../../lib/http/serve.ts';
import { recordId } from '../../lib/observation/executed-obs-unit.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { answered } from '../../lib/smart-query/answered.ts';
import { findTransaction, type FoundTransaction } from '../../lib/smart-query/find-transaction.ts';
import { isUndecided } from '../../lib/smart-query/transactions.ts';
import { lifecycle } from '../../lib/transaction/lifecycle.ts';
import { problem } from '../../lib/http/problem.ts';
import { spec } from './decide.function.ts';
import { decide, type Decision } from './decide.ts';

const connected = connect(spec, ({ settings, site, log }) => ({
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

const discardBody = z.strictObject({ reason: z.string().check(z.minLength(1), z.maxLength(1000)) });

/** @param decisionOf reads it from the request, once it is known who asks */
async function take(request: Request, decisionOf: () => Decision): Promise<Reply> {
  const parts = connected();
  const principal = await authenticate(parts, request);
  const decision = decisionOf();
  const id = parse(recordId, request.params.id, 'id');
  const target = await answered(findTransaction(parts, id));
  if (!target) throw problem.notFound(`There is no transaction ${id}.`);
  requireOpen(target, decision);
  if (target.status.state !== 'discarded') {
    await decide(parts, request, principal, { id, target, decision });
  }
  const { status } = target;
  const isRequested = decision.action === 'discard' && isUndecided(status.state);
  return { status: 202, body: isRequested ? { ...status, discard: 'requested' } : status };
}

/**
 * Whatever main has not applied can be discarded, also before main has seen it; only what main has set aside can be retried.
 * @throws ProblemError 409 if there is nothing to decide about
 */
function requireOpen({ status }: FoundTransaction, { action }: Decision): void {
  const { state, transaction_id: id } = status;
  const isOpen =
    action === 'retry' ? lifecycle[state].isSetAside : isUndecided(state) || state === 'discarded';
  if (isOpen) return;
  const why =
    state === 'buffered'
      ? 'main has not judged it yet, and tries it in any case'
      : state === 'discarded'
        ? 'it has been given up'
        : 'it has been applied';
  throw problem.conflict(`Transaction ${id} cannot be decided about: ${why}.`);
}

export const handler = serve('decide', {
  retryTransaction: (request) => take(request, () => ({ action: 'retry' })),
  discardTransaction: (request) =>
    take(request, () => ({ action: 'discard', reason: parse(discardBody, request.body).reason })),
});
