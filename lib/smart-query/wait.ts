/** Reads that wait until a write has reached the requested state. */
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
 * Polls `read` until the requested state, a final state or the timeout is reached, and returns the last value. It does not wait
 * for a value that does not exist.
 * @param enter takes one of the limited places for waiting requests and returns the function that frees it
 * @throws the errors of `read` and `enter`
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
    // if Redis does not answer, the place expires
    await leave().catch(() => undefined);
  }
}

/** @param state of a record or of a transaction */
function hasReached(state: string, wanted: 'committed' | 'replicated'): boolean {
  if (state === 'buffered' || state === 'waiting') return false;
  return state !== 'committed' || wanted === 'committed';
}
