/**
 * Classifies failed calls of Redis. Only the network, or a proxy before Redis, makes it unreachable. An answer that cannot be parsed, or
 * a failing script, is a defect of this code.
 */

/** Redis did not answer: the command may or may not have been executed. */
export class RedisUnreachable extends Error {
  override readonly name = 'RedisUnreachable';
}

/** Redis answered with an error: the command was not executed, or only in part. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
}

/**
 * - unreachable: no answer
 * - unable: Redis temporarily takes no commands: full, read-only or loading after a failover, over its quota
 * - defect: any other error, or an answer that cannot be parsed
 */
export type RedisFailure = 'unreachable' | 'unable' | 'defect';

/** Error codes of temporary conditions, and Upstash's limits. */
const unable =
  /(?:^|: )(?:-?)(?:OOM|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|BUSY|MISCONF|NOREPLICAS|TRYAGAIN)\b|\bmax (?:daily |monthly )?(?:requests?|concurrent|data size)\b/;

export function redisFailure(error: unknown): RedisFailure {
  if (error instanceof RedisUnreachable) return 'unreachable';
  return error instanceof Error && unable.test(error.message) ? 'unable' : 'defect';
}

/** Whether a call failed because Redis did not answer or temporarily takes no commands. Other failures are defects. */
export function isRedisUnavailable(error: unknown): boolean {
  return redisFailure(error) !== 'defect';
}
