import * as z from 'zod/mini';
import { Unavailable } from '../errors.ts';
import { problem, ProblemError } from '../http/problem.ts';

/**
 * A read that cannot be whole is refused: the replica alone cannot say that a record has not been finished.
 * @throws ProblemError 503
 */
export async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof z.core.$ZodError || error instanceof ProblemError) throw error;
    const what =
      error instanceof Unavailable
        ? 'No replica that is recent enough answers'
        : 'The buffer does not answer';
    throw problem.unavailable(`${what}. What is recorded is safe: please ask again.`, 2).because(error);
  }
}
