/** An observed night with the link cut in the middle: every accepted unit reaches main once, in the right state. */
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { observe } from '../../infra/local/observe/observe.ts';
import { readFirstReleaseRun, type FirstReleaseScan } from '../../infra/local/observe/first-release-run.ts';
import { readSchedule } from '../../infra/local/observe/schedule/read-schedule.ts';
import { readApiToken } from '../../lib/credentials/api-token.ts';
import { ObservatoryClient, stableKey } from '../../lib/client/observatory-client.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
const minutes = (n: number) => new Date(Date.UTC(2026, 10, 1) + n * 60_000).toISOString().slice(0, 19);
const nightText = [
  'Cerro-Chajnantor FYST -22.986 -67.740 5612.0',
  ...Array.from(
    { length: 150 },
    (_, n) =>
      ` ${minutes(2 * n)}  ${minutes(2 * n + 1)}  0.00 South field   140.00   180.00    45.00     0 ${n}`,
  ),
].join('\n');
const bytesOf = (text: string) => new TextEncoder().encode(text);
const night = readSchedule(bytesOf(nightText));

beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

function observeNight(
  onScan: (done: number) => void = () => undefined,
  schedule = night,
  firstRelease: ReadonlyMap<number, FirstReleaseScan> = new Map(),
) {
  const { http, tokens } = stack.description;
  return observe(schedule, {
    client: new ObservatoryClient({ url: http, token: tokens.service }),
    firstRelease,
    speed: Infinity,
    signal: new AbortController().signal,
    sleep: async () => undefined,
    onProgress: ({ done }) => onScan(done),
  });
}

it('a night observed with the link cut reaches main once, and a second run adds nothing', async () => {
  const observed = await observeNight((done) => {
    if (done === 40) stack.link.set({ up: false });
  });
  expect(observed).toMatchObject({ scans: 150, accepted: 150, finished: 150, failed: 0 });
  expect(await stack.redisClient.zcard(stack.keys.pending)).toBeGreaterThan(0);
  stack.link.set({ up: true });

  const again = await observeNight();
  expect(again).toMatchObject({ finished: 150, replayed: 300 });
  expect(again.ids).toEqual(observed.ids);

  await eventually(
    async () => {
      const { rows } = await stack.replica.query<{ status: string; end_time: Date }>(
        'select status, end_time from executed_obs_unit order by start_time',
      );
      expect(rows.map((each) => each.status)).toEqual(night.scans.map(() => 'completed'));
      expect(rows.map((each) => each.end_time.toISOString().slice(0, 19))).toEqual(
        night.scans.map(({ stop }) => stop.text.slice(0, 19)),
      );
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

it('a run of the edited schedule adds nothing', async () => {
  const edited = nightText.replaceAll('\n', '\r\n').replaceAll('45.00', '46.00');
  const again = await observeNight(undefined, readSchedule(bytesOf(edited)));
  expect(again).toMatchObject({ accepted: 150, finished: 150, failed: 0, replayed: 150, kept: 150 });
  const { rows } = await stack.main.query('select count(*)::int from executed_obs_unit');
  expect(rows).toEqual([{ count: 150 }]);
});

it('a run continues one that the first release began', async () => {
  const text = nightText.replaceAll('2026-11', '2026-10').split('\n').slice(0, 6).join('\n');
  const { http, tokens } = stack.description;
  const client = new ObservatoryClient({ url: http, token: tokens.service });
  // the first release started two scans and finished one
  const started = [];
  for (const index of [0, 1]) {
    const [start = '', stop = ''] = [minutes(2 * index), minutes(2 * index + 1)].map(
      (time) => `${time.replace('2026-11', '2026-10')}Z`,
    );
    const { body } = await client.start(
      {
        obs_unit_id: 1 + index,
        start_time: start,
        metadata: {
          patch: 'South field',
          rotation_deg: 0,
          az_min_deg: 140,
          az_max_deg: 180,
          el_deg: 45,
          pass: 0,
          subscan: index,
        },
      },
      stableKey(text, index, 'start'),
    );
    started.push(body.id);
    if (index === 0)
      await client.finish(
        String(body.id),
        { status: 'completed', end_time: stop },
        stableKey(text, 0, 'finish'),
      );
  }
  const { principalId = '' } = readApiToken(tokens.service) ?? {};
  const observed = await observeNight(
    undefined,
    readSchedule(bytesOf(text)),
    readFirstReleaseRun(text, principalId),
  );
  expect(observed).toMatchObject({ scans: 5, accepted: 5, finished: 5, failed: 0, replayed: 1 });
  expect(observed.ids.slice(0, 2)).toEqual(started);
  await eventually(async () => {
    const { rows } = await stack.main.query(
      "select status, count(*)::int from executed_obs_unit where start_time < '2026-10-15' group by 1",
    );
    expect(rows).toEqual([{ status: 'completed', count: 5 }]);
  });
});

it('a run accepts every form of schedule', async () => {
  const directory = new URL('../fixtures/schedules/', import.meta.url);
  const seen = new Map<string, unknown>();
  for (const file of await readdir(directory)) {
    const { scans, failed, errors } = await observeNight(
      undefined,
      readSchedule(await readFile(new URL(file, directory))),
    );
    expect({ file, failed, errors }).toEqual({ file, failed: 0, errors: [] });
    seen.set(file, scans);
  }
  expect(seen.get('fyst-timeline.ecsv')).toBe(7);
  await eventually(async () => {
    const { rows } = await stack.main.query(
      "select end_time at time zone 'utc' as end_time from executed_obs_unit where start_time = '2016-12-31 23:50:00Z'",
    );
    expect(rows).toHaveLength(1);
  });
  const { body } = await stack.api('/executed_obs_units?started_before=2017-01-01T00:00:00Z');
  expect(body).toMatchObject([{ end_time: '2017-01-01T00:00:00.000000Z', leap_second: true }]);
});
