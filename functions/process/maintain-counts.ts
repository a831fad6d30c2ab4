/** Maintains the counters of rows by state at main, at most once a minute. */
import { maintainStateCounts } from '../../lib/postgres/state-counts.ts';
import type { DrainParts } from './drain.ts';

/** Fits into the time-out of the function after a drain. */
const countMilliseconds = 2000;

export async function maintainCounts({
  redis,
  keys,
  main,
  log,
}: Pick<DrainParts, 'redis' | 'keys' | 'main' | 'log'>): Promise<void> {
  try {
    // set before the attempt, so that a failing count is not repeated every minute
    const isFirst = await redis.set(keys.countsMaintained, '1', { ex: 600, nx: true });
    if (isFirst === null) return;
    await maintainStateCounts(main, countMilliseconds);
    await redis.expire(keys.countsMaintained, 60);
  } catch (error) {
    log.warn('maintaining the counters failed; reads count rows until it succeeds', { error });
  }
}
