/** When Lambda tries an asynchronous event again. */
import { limits } from '../../limits.ts';

export interface AsynchronousRules {
  /** of a function that fails */
  readonly retries: number;
  readonly maxAgeSeconds: number;
}

/** What Lambda does without a configuration. */
export const defaultRules: AsynchronousRules = {
  retries: limits.asynchronousRetries.value,
  maxAgeSeconds: limits.asynchronousAgeSeconds.value,
};

export interface Tried {
  /** of the event, at the end of the last attempt */
  readonly ageSeconds: number;
  /** that ended in an error of the function, the last one included */
  readonly failures: number;
  /** that were throttled */
  readonly throttles: number;
  readonly last: 'failed' | 'throttled' | 'stopped';
}

/** Seconds until the next attempt; undefined: the event is dropped. */
export function nextAttempt(rules: AsynchronousRules, tried: Tried): number | undefined {
  if (tried.last === 'stopped') return undefined;
  if (tried.last === 'failed' && tried.failures > rules.retries) return undefined;
  const pause = tried.last === 'failed' ? 60 * tried.failures : throttlePause(tried.throttles);
  return tried.ageSeconds + pause > rules.maxAgeSeconds ? undefined : pause;
}

function throttlePause(throttles: number): number {
  return Math.min(limits.asynchronousPauseSeconds.value, 2 ** (throttles - 1));
}
