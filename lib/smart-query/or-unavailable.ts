import { StatementTooSlow, ReplicaUnavailable } from '../replication/errors.ts';
import { problem } from '../http/problem.ts';
import { isRedisUnavailable } from '../redis/failure.ts';

/**
 * Turns the failure of a store into a problem for the client. An incomplete read is refused, because a replica alone cannot
 * rule out that a record has been finished. A defect passes unchanged: it is logged with its cause and answered with 500.
 * @throws ProblemError 503 if a store is unavailable or cancelled a slow statement
 */
export async function orUnavailable<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
}

function refusalOf(error: unknown) {
  if (error instanceof StatementTooSlow) {
    return problem
      .unavailable(
        'The database cancelled this query because it took too long. Ask for less: a shorter time range, a smaller limit or another filter.',
        10,
        { code: 'statement-too-slow' },
      )
      .because(error);
  }
  if (error instanceof ReplicaUnavailable) {
    return problem
      .unavailable(
        'No sufficiently recent replica answers. Recorded observations are safe: please try again.',
        2,
        {
          code: 'replica-unavailable',
        },
      )
      .because(error);
  }
  if (isRedisUnavailable(error)) {
    return problem
      .unavailable('The buffer does not answer. Recorded observations are safe: please try again.', 2, {
        code: 'buffer-unavailable',
      })
      .because(error);
  }
  return undefined;
}
