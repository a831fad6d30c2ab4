/** Lambda's queue of asynchronous events: each is tried until its function has run, its retries are used up or it is too old. */
import { functions, type FunctionName } from '../topology.ts';
import type { Invoke } from './gateway/http-api.ts';
import { defaultRules, nextAttempt, type AsynchronousRules } from './limits/asynchronous.ts';
import { isRefused } from './limits/invocation.ts';

export interface AsynchronousSettings {
  readonly rulesOf: (name: FunctionName) => AsynchronousRules;
  readonly now: () => number;
  /** resolves after so many milliseconds */
  readonly wait: (milliseconds: number) => Promise<void>;
}

const settings: AsynchronousSettings = {
  rulesOf: asynchronousRulesOf,
  now: () => performance.now(),
  // it keeps nothing alive
  wait: (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds).unref()),
};

export class AsynchronousInvocations {
  readonly #invoke: Invoke;
  readonly #settings: AsynchronousSettings;

  constructor(invoke: Invoke, given: Partial<AsynchronousSettings> = {}) {
    this.#invoke = invoke;
    this.#settings = { ...settings, ...given };
  }

  /**
   * Takes an event. The promise that is returned may be left alone.
   * @returns what the function answered in the end
   * @throws whatever made Lambda drop the event
   */
  async submit(name: FunctionName, event: unknown, trace?: string): Promise<unknown> {
    const { rulesOf, now, wait } = this.#settings;
    const submittedAt = now();
    let [failures, throttles] = [0, 0];
    for (;;) {
      try {
        return await this.#invoke(name, event, trace);
      } catch (error) {
        const last = isRefused(error, 'TooManyRequestsException')
          ? 'throttled'
          : isRefused(error, 'RecursiveInvocationException')
            ? 'stopped'
            : 'failed';
        if (last === 'throttled') throttles += 1;
        else failures += 1;
        const ageSeconds = (now() - submittedAt) / 1000;
        const pause = nextAttempt(rulesOf(name), { ageSeconds, failures, throttles, last });
        if (pause === undefined) throw error;
        await wait(pause * 1000);
      }
    }
  }
}

export function asynchronousRulesOf(name: FunctionName): AsynchronousRules {
  const { trigger } = functions[name];
  return 'maxAgeSeconds' in trigger ? trigger : defaultRules;
}
