/** What an outage of the link costs: invocations of `apply`, counted over an hour of virtual time. */
import { describe, expect, it } from 'vitest';
import { retryDelaySeconds, probeSeconds, sleepSeconds } from '../../functions/process/retry.ts';
import { pollersOf } from '../../infra/local/limits/event-source.ts';
import { functions } from '../../infra/topology.ts';
import { fc, times } from '../support/property.ts';

const minutes = 60;
const { batchSize } = functions.apply.trigger;
/** of one invocation that finds main away, with what is around it */
const invocationSeconds = 0.05;
/** the prober, which looks for main by itself; sweeps wake it a few times a minute */
const constant = 60 / probeSeconds + 10;

interface Copy {
  visibleAt: number;
  receives: number;
}

/** The queue while main is away and Redis holds every copy. @returns invocations in each minute */
function outage(copies: number, hide: (receives: number, now: number) => number, start: number): number[] {
  const queue: Copy[] = Array.from({ length: copies }, () => ({ visibleAt: start, receives: 0 }));
  const counts = Array.from({ length: minutes }, () => 60 / probeSeconds);
  const pollers = Array.from({ length: pollersOf(functions.apply.concurrency) }, () => start);
  const end = start + minutes * 60;
  for (;;) {
    queue.sort((a, b) => a.visibleAt - b.visibleAt);
    const next = queue[0]?.visibleAt ?? Infinity;
    const free = pollers.indexOf(Math.min(...pollers));
    const now = Math.max(next, pollers[free] ?? 0);
    const minute = Math.floor((now - start) / 60);
    if (now >= end || minute >= minutes) return counts;
    const batch = queue.filter(({ visibleAt }) => visibleAt <= now).slice(0, batchSize);
    for (const each of batch) {
      each.receives += 1;
      each.visibleAt = now + hide(each.receives, now);
    }
    pollers[free] = now + invocationSeconds;
    counts[minute] = (counts[minute] ?? 0) + 1;
  }
}

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

describe('an outage of the link', () => {
  it('costs in each minute a constant and a tenth of the copies that wait', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 40, 400, 1000), fc.integer({ min: 1, max: 1e6 }), (copies, seed) => {
        const next = random(seed);
        const counts = outage(copies, (receives, now) => sleepSeconds(receives, now * 1000, next()), seed);
        for (const count of counts) expect(count).toBeLessThanOrEqual(constant + copies / 10);
      }),
      times(5),
    );
  });

  it('costs much less once it lasts', () => {
    const next = random(7);
    const counts = outage(1000, (receives, now) => sleepSeconds(receives, now * 1000, next()), 1e6);
    const later = counts.slice(3).reduce((sum, count) => sum + count, 0) / (minutes - 3);
    expect(later).toBeLessThanOrEqual(constant + 1000 / 14);
  });

  it('would cost much more if copies came back each in its own time', () => {
    const next = random(7);
    const counts = outage(400, (receives) => retryDelaySeconds('left', receives, next()), 1e6);
    expect(Math.max(...counts)).toBeGreaterThan(3 * (constant + 400 / 10));
  });

  it('brings a copy back after 75 s the first time, and after 10 to 20 min later', () => {
    for (const now of [0, 14_000, 14_999, 15_000, 123_456]) {
      for (const random of [0, 0.5, 0.999]) {
        expect(sleepSeconds(1, now, random)).toBeLessThanOrEqual(75);
        expect(sleepSeconds(2, now, random)).toBeGreaterThanOrEqual(600);
        expect(sleepSeconds(2, now, random)).toBeLessThanOrEqual(1215);
      }
    }
  });
});
