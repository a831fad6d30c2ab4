import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { observe } from '../../infra/local/observe/observe.ts';
import { readToastSchedule } from '../../infra/local/observe/toast-schedule.ts';

const example = await readFile(
  new URL('../../infra/local/observe/example-schedule.txt', import.meta.url),
  'utf8',
);

it('reads site, telescope and scans, also patches with spaces in their names', () => {
  const { site, telescope, scans } = readToastSchedule(example);
  expect([site, telescope, scans.length]).toEqual(['Cerro-Chajnantor', 'FYST', 6]);
  expect(scans[1]).toEqual({
    start: '2026-11-01T00:24:00Z',
    stop: '2026-11-01T00:54:00Z',
    patch: 'South field',
    rotationDegrees: 0,
    azimuthMinDegrees: 140,
    azimuthMaxDegrees: 180,
    elevationDegrees: 45,
    pass: 0,
    subscan: 0,
  });
});

it('names the line that is no scan', () => {
  expect(() => readToastSchedule(example.replace('2026-11-01 00:22:00', 'later'))).toThrow('line 4: no scan');
  expect(() => readToastSchedule(example.replace('2026-11-01 00:22:00', '2026-11-01 00:02:00'))).toThrow(
    'line 4: it must stop after',
  );
  expect(() => readToastSchedule('')).toThrow('site and telescope');
});

it('observes with keys of the content, each scan once, and goes on after one that failed', async () => {
  const calls: unknown[][] = [];
  const answer = (id: string) => ({ status: 201, body: { id }, replayed: false, milliseconds: 1, tries: 1 });
  const run = () =>
    observe(readToastSchedule(example), {
      client: {
        start: async (body, key) => {
          calls.push(['start', body, key]);
          if (calls.length === 3) throw new Error('no');
          return answer(`unit ${calls.length}`);
        },
        finish: async (id, body, key) => {
          calls.push(['finish', id, body, key]);
          return answer(id);
        },
      },
      content: example,
      speed: Infinity,
      signal: new AbortController().signal,
      sleep: async () => undefined,
      onProgress: () => undefined,
    });
  const observed = await run();
  expect(observed).toMatchObject({ scans: 6, accepted: 5, finished: 5, failed: 1 });
  expect(observed.errors).toEqual(['scan 1: no']);
  const keys = calls.map((call) => call.at(-1));
  expect(new Set(keys).size).toBe(keys.length);
  calls.length = 0;
  await run();
  expect(calls.map((call) => call.at(-1))).toEqual(keys);
});
