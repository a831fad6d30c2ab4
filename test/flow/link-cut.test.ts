/** A night with the link cut in the middle: every accepted unit reaches main once, in the right state. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { observe } from '../../infra/local/observe/observe.ts';
import type { Scan, Schedule } from '../../infra/local/observe/toast-schedule.ts';
import { ObservatoryClient } from '../../lib/client/observatory-client.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
const night: Schedule = {
  site: 'Cerro-Chajnantor',
  telescope: 'FYST',
  scans: Array.from({ length: 150 }, (_, n): Scan => {
    const start = Date.UTC(2026, 10, 1) + n * 120_000;
    return {
      start: new Date(start).toISOString(),
      stop: new Date(start + 100_000).toISOString(),
      patch: 'South field',
      rotationDegrees: 0,
      azimuthMinDegrees: 140,
      azimuthMaxDegrees: 180,
      elevationDegrees: 45,
      pass: 0,
      subscan: n,
    };
  }),
};

beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

function observeNight(onScan: (done: number) => void) {
  const { http, tokens } = stack.description;
  return observe(night, {
    client: new ObservatoryClient({ url: http, token: tokens.service }),
    content: 'a night',
    speed: Infinity,
    signal: new AbortController().signal,
    sleep: async () => undefined,
    onProgress: ({ done }) => onScan(done),
  });
}

it('has every unit on main once, finished and replicated, and adds nothing when it is run again', async () => {
  const observed = await observeNight((done) => {
    if (done === 40) stack.link.set({ up: false });
  });
  expect(observed).toMatchObject({ scans: 150, accepted: 150, finished: 150, failed: 0 });
  expect(await stack.redisClient.zcard(stack.keys.pending)).toBeGreaterThan(0);
  stack.link.set({ up: true });

  const again = await observeNight(() => undefined);
  expect(again).toMatchObject({ finished: 150, replayed: 300 });
  expect(again.ids).toEqual(observed.ids);

  await eventually(
    async () => {
      const { rows } = await stack.replica.query<{ status: string; end_time: Date }>(
        'select status, end_time from executed_obs_unit order by start_time',
      );
      expect(rows.map((each) => each.status)).toEqual(night.scans.map(() => 'completed'));
      expect(rows.map((each) => each.end_time.toISOString())).toEqual(night.scans.map(({ stop }) => stop));
    },
    { timeoutMs: 50_000 },
  );
  const inbox = await stack.main.query('select outcome, count(*)::int from inbox group by 1');
  expect(inbox.rows).toEqual([{ outcome: 'applied', count: 300 }]);
  await eventually(async () => {
    const { body } = await stack.api('/health', { token: null });
    expect(body).toMatchObject({ status: 'healthy', transaction_buffer: { size: 0, failed: 0 } });
    expect(await stack.redisClient.zcard(stack.keys.committed)).toBe(0);
  });
});
