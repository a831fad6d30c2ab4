/** Reads that wait until what was written has got far enough. */
/** Seconds */
export const defaultWaitSeconds = 10;

export interface Wait {
  readonly wait?: 'committed' | 'replicated' | undefined;
  /** seconds */
  readonly timeout?: number | undefined;
}

const firstPauseMilliseconds = 40;
const longestPauseMilliseconds = 500;

/**
 * Reads again until the state is reached, or a final one, or the time is over; and gives what it has read last. What is not
 * there is not waited for.
 * @param enter takes a place among those that wait, once there is something to wait for, and gives a function that leaves it
 * @throws whatever `read` and `enter` throw
 */
export async function readWhen<T>(
  read: () => Promise<T | undefined>,
  stateOf: (value: T) => string,
  { wait, timeout = defaultWaitSeconds }: Wait,
  enter: () => Promise<() => Promise<void>>,
): Promise<T | undefined> {
  const deadline = performance.now() + timeout * 1000;
  const isDone = (value: T | undefined) =>
    value === undefined ||
    wait === undefined ||
    deadline <= performance.now() ||
    hasReached(stateOf(value), wait);
  let value = await read();
  if (isDone(value)) return value;
  const leave = await enter();
  try {
    for (
      let pause = firstPauseMilliseconds;
      !isDone(value);
      pause = Math.min(1.5 * pause, longestPauseMilliseconds)
    ) {
      const left = Math.max(0, deadline - performance.now());
      await new Promise((resume) => setTimeout(resume, Math.min(pause, left)));
      value = await read();
    }
    return value;
  } finally {
    // it ends by itself if Redis does not answer
    await leave().catch(() => undefined);
  }
}

/** @param state of a record or of a transaction */
function hasReached(state: string, wanted: 'committed' | 'replicated'): boolean {
  if (state === 'buffered' || state === 'waiting') return false;
  return state !== 'committed' || wanted === 'committed';
}
