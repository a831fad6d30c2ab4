import { answer } from '../../lib/http/operation.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/request.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';
import { findTransaction, type FoundTransaction } from '../../lib/smart-query/find-transaction.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { isUndecided } from '../../lib/smart-query/transactions.ts';
import {
  discardTransaction as discardContract,
  retryTransaction as retryContract,
} from '../../lib/submission/operations.ts';
import type { SubmissionParts } from '../../lib/submission/submit.ts';
import { lifecycle } from '../../lib/transaction/lifecycle.ts';
import { decide, type Decision } from './decide.ts';

type DecideParts = SmartQueryParts & SubmissionParts;

export const retryTransaction = answer(retryContract, async (request, parts: DecideParts) =>
  take(parts, request, request.params.id, { action: 'retry' }),
);

export const discardTransaction = answer(discardContract, async (request, parts: DecideParts) =>
  take(parts, request, request.params.id, { action: 'discard', reason: request.body.reason }),
);

async function take(
  parts: DecideParts,
  request: Request & { readonly principal: Principal },
  id: string,
  decision: Decision,
) {
  const target = await orUnavailable(findTransaction(parts, id));
  if (!target) throw problem.notFound(`No transaction has the id ${id}.`);
  requireOpen(target, decision);
  if (target.status.state !== 'discarded') {
    await decide(parts, request, request.principal, { id, target, decision });
  }
  const { status } = target;
  const isRequested = decision.action === 'discard' && isUndecided(status.state);
  const discard = isRequested ? { discard: 'requested' as const } : {};
  return { status: 202 as const, body: { ...status, ...discard } };
}

/**
 * Any transaction that main has not applied can be discarded, even before main has received it. Only a transaction that main has
 * set aside can be retried.
 * @throws ProblemError 409 if the transaction allows no such decision
 */
function requireOpen({ status }: FoundTransaction, { action }: Decision): void {
  const { state, transaction_id: id } = status;
  const isOpen =
    action === 'retry' ? lifecycle[state].isSetAside : isUndecided(state) || state === 'discarded';
  if (isOpen) return;
  const why =
    state === 'buffered'
      ? 'the main database has not processed it yet and will do so without a retry'
      : state === 'discarded'
        ? 'it has been discarded'
        : 'it has been applied';
  const verb = action === 'retry' ? 'retried' : 'discarded';
  throw problem.conflict(`Transaction ${id} cannot be ${verb}: ${why}.`);
}
