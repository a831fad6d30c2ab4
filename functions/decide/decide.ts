import { noteAuditEvent } from '../../lib/audit/audit-event.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { claimantOf } from '../../lib/credentials/claimant-of.ts';
import { idempotencyKeyOf } from '../../lib/http/idempotency-key.ts';
import type { Request } from '../../lib/http/request.ts';
import type { FoundTransaction } from '../../lib/smart-query/find-transaction.ts';
import { problemOf, type Wording } from '../../lib/submission/problem-of.ts';
import { submit, type SubmissionParts } from '../../lib/submission/submit.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';

export type Decision = { readonly action: 'retry' } | { readonly action: 'discard'; readonly reason: string };

/**
 * Buffers the decision. With the same Idempotency-Key, or without one until main has tried the transaction again, the same
 * decision is the same transaction: asking twice decides once.
 * @throws ProblemError
 */
export async function decide(
  parts: SubmissionParts,
  request: Request,
  principal: Principal,
  {
    id,
    target,
    decision,
  }: { readonly id: string; readonly target: FoundTransaction; readonly decision: Decision },
): Promise<void> {
  const { access, operation } = request.route;
  const builder = new TransactionBuilder(
    {
      id: derivedUuid('decision', decision.action, id, ...identityOf(request, principal, target)),
      stamp: request.receivedAt * 1000,
      aggregate: target.aggregate,
      principal: principal.id,
      operation,
    },
    () => id,
  );
  if (decision.action === 'retry') builder.retry(id);
  else {
    const { aggregate, stamp, principal: owner } = target;
    builder.discard(id, decision.reason, { aggregate, stamp, principal: owner });
  }
  const submitted = await submit(parts, {
    claimant: claimantOf(request, principal),
    permission: access,
    transaction: builder.build(),
    patch: '{}',
    status: 202,
    nowMilliseconds: request.receivedAt,
  });
  if (submitted.kind === 'refused') throw problemOf(submitted, wording);
  // the first to decide has decided: who repeats it is not who did it
  if (submitted.kind !== 'accepted') return;
  const { transaction } = submitted;
  await noteAuditEvent(parts, {
    id: transaction.id,
    at: new Date(Math.floor(transaction.stamp / 1000)).toISOString(),
    principal: principal.id,
    action: `transaction.${decision.action}`,
    subject: id,
    detail: 'reason' in decision ? { reason: decision.reason } : {},
  }).catch(() => undefined); // main keeps it for good, in the commit of the decision itself
}

const wording: Wording = {
  nothing: 'Nothing was decided.',
  unknown:
    'The buffer does not answer. It is not known whether this was decided. Please ask again: a decision that is asked for twice is made once.',
};

function identityOf(request: Request, principal: Principal, { status }: FoundTransaction): string[] {
  const key = idempotencyKeyOf(request);
  return key === undefined ? [String(status.attempts)] : [principal.id, key];
}
