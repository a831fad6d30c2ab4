import { isRedisUnavailable } from '../redis/failure.ts';
import type { ProblemError } from './problem.ts';

/**
 * Waits for what was asked of Redis.
 * @param unavailable the 503 instead of a failure of the network, or of a Redis that can serve nothing now
 * @throws ProblemError; a defect, a script that fails for example, as it is
 */
export async function orRedisUnavailable<T>(asked: Promise<T>, unavailable: () => ProblemError): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw isRedisUnavailable(error) ? unavailable().because(error) : error;
  }
}
