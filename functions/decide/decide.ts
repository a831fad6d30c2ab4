import { noteAuditEvent } from '../../lib/audit/audit-event.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { claimantOf } from '../../lib/credentials/claimant.ts';
import { accept, withStamp } from '../../lib/buffer/accept.ts';
import { idempotencyKeyOf } from '../../lib/http/idempotency-key.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/serve.ts';
import { transactionMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { FoundTransaction } from '../../lib/smart-query/find-transaction.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import type { Site } from '../../lib/redis/site.ts';

export type Decision = { readonly action: 'retry' } | { readonly action: 'discard'; readonly reason: string };

interface DecideParts extends Site {
  readonly queue: Pick<Queue, 'send'>;
  readonly limits: { readonly requestsPerSecond: number; readonly budgetBytes: number };
}

/**
 * Buffers the decision. With the same Idempotency-Key, or without one until main has tried the transaction again, the same
 * decision is the same transaction: asking twice decides once.
 * @throws ProblemError
 */
export async function decide(
  parts: DecideParts,
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
  const transaction = builder.build();
  const verdict = await accept(parts, {
    claimant: claimantOf(request, principal),
    permission: access,
    transaction,
    patch: '{}',
    status: 202,
    nowMilliseconds: request.receivedAt,
    ...parts.limits,
  }).catch((error: unknown) => {
    throw problem
      .unavailable('The buffer does not answer: nothing was decided. Please ask again.', 2)
      .because(error);
  });
  if ('refused' in verdict) {
    if (verdict.refused === 'too_many') throw problem.tooManyRequests('Too many requests.', 1);
    if (verdict.refused === 'unauthorized') throw problem.unauthorized(verdict.detail ?? '');
    if (verdict.refused === 'forbidden') throw problem.forbidden(`This needs the permission ${access}.`);
    if (verdict.refused === 'refused_before' || verdict.refused === 'discarded_before') {
      throw problem.conflict(`Main has refused the same decision before: ${verdict.detail ?? ''}.`);
    }
    throw problem.unavailable(`Nothing was decided (${verdict.refused}). Please ask again.`, 2);
  }
  // the first to decide has decided: who repeats it is not who did it
  if (verdict.stamp === undefined) return;
  await noteAuditEvent(parts, {
    id: transaction.id,
    at: new Date(Math.floor(Number(verdict.stamp) / 1000)).toISOString(),
    principal: principal.id,
    action: `transaction.${decision.action}`,
    subject: id,
    detail: 'reason' in decision ? { reason: decision.reason } : {},
  }).catch(() => undefined); // main keeps it for good, in the commit of the decision itself
  // without the message the sweeper sends it again
  await parts.queue.send(transactionMessage(withStamp(transaction, verdict.stamp))).catch(() => undefined);
}

function identityOf(request: Request, principal: Principal, { status }: FoundTransaction): string[] {
  const key = idempotencyKeyOf(request);
  return key === undefined ? [String(status.attempts)] : [principal.id, key];
}
