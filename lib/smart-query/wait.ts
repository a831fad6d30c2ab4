/** Reads that wait until what was written has got far enough. */
import * as z from 'zod/mini';
import { boundedInteger } from '../http/page.ts';

/** API Gateway waits 29 s. */
const maxWaitSeconds = 25;
const defaultWaitSeconds = 10;

/** Query parameters of a read that can wait. */
export const waitQuery = {
  wait: z.optional(z.enum(['committed', 'replicated'])),
  /** seconds */
  timeout: z._default(boundedInteger(0, maxWaitSeconds), defaultWaitSeconds),
};

export interface Wait {
  readonly wait?: 'committed' | 'replicated' | undefined;
  /** seconds */
  readonly timeout: number;
}

const firstPauseMilliseconds = 40;
const longestPauseMilliseconds = 500;

/**
 * Reads again until the state is reached, or a final one, or the time is over; and gives what it has read last. What is not
 * there is not waited for.
 */
export async function readWhen<T>(
  read: () => Promise<T | undefined>,
  stateOf: (value: T) => string,
  { wait, timeout }: Wait,
): Promise<T | undefined> {
  const deadline = performance.now() + timeout * 1000;
  for (let pause = firstPauseMilliseconds; ; pause = Math.min(1.5 * pause, longestPauseMilliseconds)) {
    const value = await read();
    const left = deadline - performance.now();
    if (value === undefined || wait === undefined || left <= 0 || hasReached(stateOf(value), wait))
      return value;
    await new Promise((resume) => setTimeout(resume, Math.min(pause, left)));
  }
}

/** @param state of a record or of a transaction */
export function hasReached(state: string, wanted: 'committed' | 'replicated'): boolean {
  if (state === 'buffered' || state === 'waiting') return false;
  return state !== 'committed' || wanted === 'committed';
}
