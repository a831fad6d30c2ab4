import type { BufferStats } from './stats.ts';

const oldMilliseconds = 60_000;

/** Whether main is in reach and has still not recorded what was accepted more than a minute ago. Pure. */
export function isStuck(
  { mainInReach, oldestStamp }: Pick<BufferStats, 'mainInReach' | 'oldestStamp'>,
  nowMilliseconds: number,
): boolean {
  return mainInReach && oldestStamp !== undefined && isOld(oldestStamp, nowMilliseconds);
}

/** @param stamp µs since 1970 */
export function isOld(stamp: number, nowMilliseconds: number): boolean {
  return stamp < (nowMilliseconds - oldMilliseconds) * 1000;
}
