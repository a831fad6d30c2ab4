/**
 * What a call of Redis that failed says, told apart in one place. Only the network, and what stands before Redis, can make it
 * "not answer"; an answer that this code does not understand, or a script that fails, is a defect of ours.
 */

/** Nothing was answered: the command may or may not have been executed. */
export class RedisUnreachable extends Error {
  override readonly name = 'RedisUnreachable';
}

/** Redis answered with an error: the command was not executed, or only in part. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
}

/**
 * - unreachable: no answer
 * - unable: it answers that it can take nothing now: full, read-only or loading after a failover, over its quota
 * - defect: an error of any other kind, or an answer that cannot be understood
 */
export type RedisFailure = 'unreachable' | 'unable' | 'defect';

/** Error codes of a server that would execute the same command another time, and Upstash's limits. */
const unable =
  /(?:^|: )(?:-?)(?:OOM|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|BUSY|MISCONF|NOREPLICAS|TRYAGAIN)\b|\bmax (?:daily |monthly )?(?:requests?|concurrent|data size)\b/;

export function redisFailure(error: unknown): RedisFailure {
  if (error instanceof RedisUnreachable) return 'unreachable';
  return error instanceof Error && unable.test(error.message) ? 'unable' : 'defect';
}

/** Whether a call failed because Redis did not answer or can serve nothing now; anything else is a defect. */
export function isRedisUnavailable(error: unknown): boolean {
  return redisFailure(error) !== 'defect';
}
