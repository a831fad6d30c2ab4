/**
 * The clock and the randomness of a simulated process. What the product asks of the platform (`Date.now`, `performance.now`,
 * timers, `Math.random`, `randomBytes`) is answered by the history that runs.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Random } from './random.ts';

export interface Platform {
  /** epoch ms of the task that asks */
  readonly now: () => number;
  readonly random: Random;
  /** @returns cancels it */
  readonly schedule: (callback: () => void, milliseconds: number) => () => void;
}

/** The task that runs: what is asked outside of any is answered by the real platform. */
export const current = new AsyncLocalStorage<Platform>();

const real = {
  Date: globalThis.Date,
  performanceNow: performance.now.bind(performance),
  random: Math.random,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  randomBytes: crypto.randomBytes,
  randomUUID: crypto.randomUUID,
};

/** ms of this machine, for rates */
export const realNow = real.performanceNow;

class SimulatedTimer {
  readonly cancel: () => void;

  constructor(cancel: () => void) {
    this.cancel = cancel;
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }
}

/** To be called once, before the product is imported. */
export function installClock(): void {
  const RealDate = real.Date;
  class SimulatedDate extends RealDate {
    constructor(...args: readonly unknown[]) {
      super(...((args.length === 0 ? [SimulatedDate.now()] : args) as [number]));
    }
    static override now(): number {
      return current.getStore()?.now() ?? RealDate.now();
    }
  }
  globalThis.Date = SimulatedDate as DateConstructor;
  performance.now = () => current.getStore()?.now() ?? real.performanceNow();
  Math.random = () => current.getStore()?.random.next() ?? real.random();
  globalThis.setTimeout = ((
    callback: (...given: unknown[]) => void,
    milliseconds = 0,
    ...given: unknown[]
  ) => {
    const platform = current.getStore();
    if (!platform) return real.setTimeout(callback, milliseconds, ...given);
    return new SimulatedTimer(platform.schedule(() => callback(...given), milliseconds));
  }) as typeof setTimeout;
  globalThis.clearTimeout = (timer: unknown) => {
    if (timer instanceof SimulatedTimer) timer.cancel();
    else real.clearTimeout(timer as NodeJS.Timeout);
  };
  crypto.randomBytes = (size: number) => {
    const platform = current.getStore();
    return platform ? Buffer.from(platform.random.bytes(size)) : real.randomBytes(size);
  };
  crypto.randomUUID = () => {
    const platform = current.getStore();
    if (!platform) return real.randomUUID();
    const hex = Buffer.from(platform.random.bytes(16)).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  };
  syncBuiltinESMExports();
}
