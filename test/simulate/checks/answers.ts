/** What a client is answered when it asks again. */
import type { HttpAnswer } from '../functions.ts';
import { isAcknowledged, type Ledger, type Write } from './ledger.ts';
import { must } from './violation.ts';

/** @param first as it stood when it was repeated */
export function checkRepeat(ledger: Ledger, first: Write, answer: HttpAnswer): void {
  if (!isAcknowledged(first) || ledger.loose.has(first.unit) || answer.status >= 500 || answer.status === 429)
    return;
  const { event } = first;
  must(
    answer.status < 300,
    'retry',
    () => `event ${event} was acknowledged, and its repetition is ${answer.status}`,
  );
  const { transaction_id } = answer.body as { readonly transaction_id?: string };
  must(
    transaction_id === first.transaction,
    'retry',
    () => `event ${event} is ${first.transaction}, and its repetition another transaction, ${transaction_id}`,
  );
}

export function checkReuse(ledger: Ledger, first: Write, answer: HttpAnswer): void {
  if (!isAcknowledged(first) || ledger.loose.has(first.unit) || !ledger.hasKeptAll || answer.status >= 500)
    return;
  must(
    answer.status >= 400,
    'key reused',
    () => `the key of event ${first.event} was taken for another body: ${answer.status}`,
  );
}
