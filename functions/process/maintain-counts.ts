/** Looks after the counters at main (rows by state), at most once a minute. */
import { maintainStateCounts } from '../../lib/postgres/state-counts.ts';
import type { DrainParts } from './drain.ts';

/** What the time-out of the function leaves beside a drain. */
const countMilliseconds = 2000;

export async function maintainCounts({
  redis,
  keys,
  main,
  log,
}: Pick<DrainParts, 'redis' | 'keys' | 'main' | 'log'>): Promise<void> {
  try {
    // set before the attempt: a count that fails is not repeated every minute
    const isFirst = await redis.set(keys.countsMaintained, '1', { ex: 600, nx: true });
    if (isFirst === null) return;
    await maintainStateCounts(main, countMilliseconds);
    await redis.expire(keys.countsMaintained, 60);
  } catch (error) {
    log.warn('the counters are maintained later; readers count rows until then', { error });
  }
}
