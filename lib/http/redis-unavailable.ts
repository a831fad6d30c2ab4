import { isRedisUnavailable } from '../redis/failure.ts';
import type { ProblemError } from './problem.ts';

/**
 * Turns the failure of a call of Redis into a problem if Redis is unavailable.
 * @param unavailable creates the problem, with status 503
 * @throws ProblemError; other errors, such as that of a failing script, unchanged
 */
export async function orRedisUnavailable<T>(call: Promise<T>, unavailable: () => ProblemError): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw isRedisUnavailable(error) ? unavailable().because(error) : error;
  }
}
