import type { Wording } from '../../lib/submission/problem-of.ts';
import type { Identity } from './identify.ts';

export function wordingOf({ id, keyDigest }: Identity): Wording {
  const nothing = 'Nothing was recorded.';
  const unknown = 'No store has acknowledged this write, so it is unknown whether it was recorded.';
  if (keyDigest !== undefined) {
    return { nothing, unknown: `${unknown} Repeat it with the same Idempotency-Key or id.` };
  }
  return {
    nothing,
    unknown: `${unknown} Read /api/transactions/${id} before you send it again, or use an Idempotency-Key.`,
    members: { transaction_id: id },
  };
}
