import { saveRecentEvent } from '../../lib/audit/audit-event.ts';
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
 * Buffers the decision. A repeat is the same transaction, hence decides once: with the same Idempotency-Key, or without a key until
 * main has tried the transaction again.
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
      ...(target.aggregates && { aggregates: [...target.aggregates] }),
      principal: principal.id,
      operation,
    },
    () => id,
  );
  if (decision.action === 'retry') builder.retry(id);
  else {
    const { aggregate, aggregates, stamp, principal: owner } = target;
    const of = { aggregate, ...(aggregates && { aggregates: [...aggregates] }) };
    builder.discard(id, decision.reason, { ...of, stamp, principal: owner });
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
  // a repeat is not audited: the decision was made by the first request
  if (submitted.kind !== 'accepted') return;
  const { transaction } = submitted;
  await saveRecentEvent(parts, {
    id: transaction.id,
    at: new Date(Math.floor(transaction.stamp / 1000)).toISOString(),
    principal: principal.id,
    action: `transaction.${decision.action}`,
    subject: id,
    detail: 'reason' in decision ? { reason: decision.reason } : {},
  }).catch(() => undefined); // main records the event in the commit of the decision
}

const wording: Wording = {
  nothing: 'The decision was not recorded.',
  unknown:
    'The buffer does not answer, so it is unknown whether the decision was recorded. Send it again: a repeated decision takes effect once.',
};

function identityOf(request: Request, principal: Principal, { status }: FoundTransaction): string[] {
  const key = idempotencyKeyOf(request);
  return key === undefined ? [String(status.attempts)] : [principal.id, key];
}
