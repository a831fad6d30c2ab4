/** How an event source of SQS behaves while its function is throttled. */
import { limits } from '../../limits.ts';

const longestPauseSeconds = 30;

/** Batches at once. */
export function pollersOf(maximumConcurrency: number): number {
  return Math.min(maximumConcurrency, limits.pollersAtFirst.value);
}

/**
 * Seconds until a throttled batch is tried again. undefined: it is given up, and its messages return to the queue when their
 * visibility time-out ends.
 * @param throttles of this batch, the last one included
 */
export function pauseAfterThrottle(
  throttles: number,
  elapsedSeconds: number,
  visibilitySeconds: number,
): number | undefined {
  const pause = Math.min(longestPauseSeconds, 2 ** (throttles - 1));
  return elapsedSeconds + pause < visibilitySeconds ? pause : undefined;
}
