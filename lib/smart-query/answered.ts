import { StatementTooSlow, ReplicaUnavailable } from '../replication/errors.ts';
import { problem } from '../http/problem.ts';
import { isRedisAway } from '../redis/failure.ts';

/**
 * A read that cannot be whole is refused: the replica alone cannot say that a record has not been finished. Only absence is
 * called absence; a defect stays the error that it is, is logged with its cause and answered with 500.
 * @throws ProblemError 503 if a store is away, or gave up a statement that took too long
 */
export async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
}

function refusalOf(error: unknown) {
  if (error instanceof StatementTooSlow) {
    return problem
      .unavailable(
        'The database gave up this query because it took too long. Ask for less: a shorter time, a smaller limit or another filter.',
        10,
        { code: 'statement-too-slow' },
      )
      .because(error);
  }
  if (error instanceof ReplicaUnavailable) {
    return problem
      .unavailable(
        'No replica that is recent enough answers. What is recorded is safe: please ask again.',
        2,
        {
          code: 'replica-unavailable',
        },
      )
      .because(error);
  }
  if (isRedisAway(error)) {
    return problem
      .unavailable('The buffer does not answer. What is recorded is safe: please ask again.', 2, {
        code: 'buffer-unavailable',
      })
      .because(error);
  }
  return undefined;
}
