/** What a client is told whose write is not recorded, or not known to be. */
import type { AcceptVerdict } from '../../lib/buffer/accept.ts';
import { problem, type ProblemError } from '../../lib/http/problem.ts';
import type { Identity } from './identify.ts';

export type Refusal = Extract<AcceptVerdict, { refused: string }>;

/** @throws Error for what is no refusal, but goes to the queue */
export function refusalOf({ refused, detail = '' }: Refusal): ProblemError {
  switch (refused) {
    case 'unauthorized':
      return problem.unauthorized(detail);
    case 'forbidden':
      return problem.forbidden(
        'This credential does not have the permission that this takes, or its owner has lost it. Nothing was recorded.',
      );
    case 'too_many':
      return problem.tooManyRequests('Too many requests. Nothing was recorded: repeat it a little later.', 1);
    case 'key_reused':
      return problem.unprocessable(
        'This Idempotency-Key was used for another request. Nothing was recorded. Use a new key for a new request.',
      );
    case 'taken':
      return problem.conflict(
        'This id belongs to a record that another request has started. Nothing was recorded. Send another id, or none.',
        { code: 'id-taken' },
      );
    case 'finished':
      return problem.conflict(
        `Already finished as \`${detail}\` with different values. The first finish stands, and nothing was recorded now.`,
        { code: 'already-finished' },
      );
    case 'before_start':
      return problem.badRequest(
        `end_time: is before the start of this observation, ${detail}. Nothing was recorded. Send the time at which it ended.`,
        { errors: [{ path: 'end_time', message: `is before the start, ${detail}` }] },
      );
    case 'refused_before':
      return problem.conflict(
        `The same request was refused at main: ${detail}. Nothing was recorded. Send a corrected one, with a new key.`,
        { code: 'refused-before' },
      );
    case 'discarded_before':
      return problem.conflict(
        `The same request was discarded by an admin: ${detail}. Nothing was recorded. Send a corrected one, with a new key.`,
        { code: 'discarded-before' },
      );
    case 'people_missing':
    case 'full':
      throw new Error('what Redis cannot take goes to the queue');
  }
}

/** Nothing is known of it: neither store has answered. */
export function notAcknowledged({ id, keyDigest }: Identity): ProblemError {
  const what = 'Neither store has acknowledged this write. It is not known whether it was recorded.';
  if (keyDigest !== undefined) {
    return problem.unavailable(`${what} Repeat it with the same Idempotency-Key or id.`, 2, {
      code: 'not-acknowledged',
      recorded: null,
    });
  }
  return problem.unavailable(
    `${what} Read /api/transactions/${id} before you send it again, or use an Idempotency-Key.`,
    2,
    { code: 'not-acknowledged', recorded: null, transaction_id: id },
  );
}
