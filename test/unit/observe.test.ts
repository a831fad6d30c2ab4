import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readFirstReleaseRun } from '../../infra/local/observe/first-release-run.ts';
import { observe, type ObserveOptions } from '../../infra/local/observe/observe.ts';
import { plannedUnitOf } from '../../infra/local/observe/scan-identity.ts';
import { readSchedule } from '../../infra/local/observe/schedule/read-schedule.ts';
import { Refused, type Answer } from '../../lib/client/observatory-client.ts';

const textOf = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const example = textOf('../../infra/local/observe/example-schedule.txt');
const scheduleOf = (text: string) => readSchedule(new TextEncoder().encode(text));
const keyOf = (call: Call) => call.key;

interface Call {
  readonly write: 'start' | 'finish';
  readonly id?: string;
  readonly body: object;
  readonly key: string;
}

/** A client that, like the API, remembers each key with the text of its body. */
function rememberingClient(
  transactions: ReadonlyMap<string, { state: string; record_ids: string[] }> = new Map(),
) {
  const calls: Call[] = [];
  const bodies = new Map<string, string>();
  const answer = (call: Call, id: string): Answer => {
    calls.push(call);
    const text = JSON.stringify(call.body);
    const before = bodies.get(call.key) ?? text;
    const status = before === text ? 201 : 422;
    const replayed = bodies.has(call.key);
    bodies.set(call.key, before);
    const answered = { status, body: { id }, replayed, milliseconds: 1, tries: 1 };
    if (status === 422) throw new Refused(answered);
    return answered;
  };
  const client: ObserveOptions['client'] = {
    start: async (body, key) => answer({ write: 'start', body, key }, `unit of ${key}`),
    finish: async (id, body, key) => answer({ write: 'finish', id, body, key }, id),
    findTransaction: async (id) => transactions.get(id),
  };
  return { client, calls };
}

function run(text: string, client: ObserveOptions['client'], options: Partial<ObserveOptions> = {}) {
  return observe(scheduleOf(text), {
    client,
    firstRelease: new Map(),
    speed: Infinity,
    signal: new AbortController().signal,
    sleep: async () => undefined,
    onProgress: () => undefined,
    ...options,
  });
}

it('observe starts and finishes each scan once and continues after a failed one', async () => {
  const { client, calls } = rememberingClient();
  const failing: typeof client = {
    ...client,
    start: async (body, key) => {
      if (calls.length === 2) {
        calls.push({ write: 'start', body, key });
        throw new Error('no');
      }
      return client.start(body, key);
    },
  };
  const observed = await run(example, failing);
  expect(observed).toMatchObject({ scans: 6, accepted: 5, finished: 5, failed: 1, kept: 0 });
  expect(observed.errors).toEqual(['line 5: no']);
  expect(new Set(calls.map(keyOf)).size).toBe(calls.length);
  expect(calls[0]?.body).toEqual({
    obs_unit_id: 1 + (crc32('Uranus') % 300),
    start_time: '2026-11-01T00:10:00.000000Z',
    metadata: { site: 'Cerro-Chajnantor', telescope: 'FYST', patch: 'Uranus', pass: 0, subscan: 0 },
  });
  expect(calls[1]?.body).toEqual({
    status: 'completed',
    end_time: '2026-11-01T00:22:00.000000Z',
    metadata: { rotation_deg: 0, az_min_deg: 52.1, az_max_deg: 54.8, el_deg: 38.2 },
  });
  const again = await run(example, client);
  expect(again).toMatchObject({ accepted: 6, finished: 6, failed: 0, replayed: 10 });
});

it('plannedUnitOf maps a patch to one of 300 planned units by the CRC-32 of its name in UTF-8', () => {
  // crc32('123456789') is the check value of the algorithm
  expect(plannedUnitOf('123456789')).toBe(1 + (0xcbf43926 % 300));
  expect(plannedUnitOf('Süd')).toBe(1 + (crc32(Buffer.from('Süd', 'utf8')) % 300));
  expect(plannedUnitOf('')).toBe(1);
});

describe('observe on a schedule that was observed before', () => {
  const jupiter = textOf('../fixtures/schedules/fyst_jupiter_0_5deg.txt');
  const lines = jupiter.split('\n');
  it.each([
    ['other line endings', jupiter.replaceAll('\n', '\r\n'), 6],
    ['a byte order mark', `\ufeff${jupiter}`, 6],
    ['one more comment', jupiter.replace('\n', '\n# cloudy\n'), 6],
    ['another order of scans', [...lines.slice(0, 3), ...lines.slice(3, 6).reverse()].join('\n'), 6],
    ['the ECSV form', textOf('../fixtures/schedules/toast-v5.ecsv'), 6],
    [
      'another end and elevation of one scan',
      jupiter.replace('11:17:00 ', '11:16:00 ').replace('40.57', '40.58'),
      5,
    ],
  ])('repeats no observation with %s', async (_name, text, replayed) => {
    const { client } = rememberingClient();
    const first = await run(jupiter, client);
    const again = await run(text, client);
    expect(again).toMatchObject({ accepted: 3, finished: 3, failed: 0, replayed, kept: 6 - replayed });
    expect([...again.ids].sort()).toEqual([...first.ids].sort());
  });

  it('observes only the scans that are new', async () => {
    const { client } = rememberingClient();
    await run(jupiter, client);
    const added = ' 2026-10-01 11:31:00  2026-10-01 11:38:00     0.00 Jupiter  35.41  37.71  43.69     3   0';
    const moved = jupiter.replace('2026-10-01 11:10:00', '2026-10-01 11:11:00');
    expect(await run(`${lines.slice(0, 4).join('\n')}\n${added}\n`, client)).toMatchObject({
      finished: 2,
      replayed: 2,
    });
    expect(await run(moved, client)).toMatchObject({ finished: 3, replayed: 4 });
  });

  it('observes two identical scans as two', async () => {
    const { client } = rememberingClient();
    const twice = `${jupiter}${lines[3]}\n`;
    const { ids } = await run(twice, client);
    expect(new Set(ids).size).toBe(4);
    expect(await run(twice, client)).toMatchObject({ ids, replayed: 8 });
  });

  it('counts a scan as recorded when its start was recorded with other values', async () => {
    const { client } = rememberingClient();
    const refusing: typeof client = {
      ...client,
      start: async (body, key) => {
        await client.start({ obs_unit_id: 0 }, key);
        return client.start(body, key);
      },
    };
    expect(await run(jupiter, refusing)).toMatchObject({
      accepted: 3,
      finished: 3,
      failed: 0,
      kept: 3,
      ids: [],
    });
  });
});

describe('a run that the first release began', () => {
  // ids as the first release computed them for user 8000000001
  const firstRelease = readFirstReleaseRun(example, '8000000001');
  const scans = [...firstRelease.values()];

  it('is found by the ids of its transactions', () => {
    expect(scans.map(({ transactionIds }) => transactionIds[0])).toEqual([
      'e38d2cc6-32ce-8955-bf9c-cd0dd6c5ea35',
      '325b25d4-e9ae-835f-a8d2-55c97cf13db5',
      '7ef592af-d26f-8a55-b9cc-a1e823aa2bff',
      'a6f3c7dd-f009-82a7-8d7b-0704ca816f46',
      '46d41289-9884-8101-b4bc-4c41b9822c51',
      'a0db2e46-176b-8ca6-92c4-cbb59dd6f3f4',
    ]);
    expect(scans[1]).toMatchObject({ finish: { status: 'completed', end_time: '2026-11-01T00:54:00Z' } });
  });

  it('continues under its keys where its scans are recorded, and not elsewhere', async () => {
    const known = new Map(
      scans.slice(0, 4).map(({ transactionIds }, index) => [
        // by either id
        transactionIds[index % 2] ?? '',
        { state: index < 3 ? 'replicated' : 'discarded', record_ids: [`earlier ${index}`] },
      ]),
    );
    const { client, calls } = rememberingClient(known);
    const observed = await run(example, client, { firstRelease });
    expect(observed).toMatchObject({ scans: 6, accepted: 6, finished: 6, failed: 0 });
    expect(observed.ids.slice(0, 3)).toEqual(['earlier 0', 'earlier 1', 'earlier 2']);
    expect(calls.slice(0, 3)).toEqual(
      scans.slice(0, 3).map(({ finish, finishKey }, index) => ({
        write: 'finish',
        id: `earlier ${index}`,
        body: finish,
        key: finishKey,
      })),
    );
    expect(calls.slice(3).map(({ write }) => write)).toEqual(Array(3).fill(['start', 'finish']).flat());
    const keysOfFirstRelease = new Set(scans.map(({ finishKey }) => finishKey));
    expect(calls.slice(3).filter(({ key }) => keysOfFirstRelease.has(key))).toEqual([]);
  });

  it('is empty for a file that release could not read', () => {
    for (const file of [
      'bom.txt',
      'special-lines.txt',
      'toast-v5.ecsv',
      'toast-partial-scan-negative-pass.txt',
    ])
      expect(readFirstReleaseRun(textOf(`../fixtures/schedules/${file}`), '1').size, file).toBe(0);
  });

  it('is found for a file that release misread', () => {
    expect(readFirstReleaseRun(textOf('../fixtures/schedules/toast-verbose-23-fields.txt'), '1').size).toBe(
      4,
    );
  });
});

it('the command sends nothing of a schedule that it cannot read, and names the line', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'observe-'));
  try {
    const file = join(directory, 'schedule.txt');
    await writeFile(file, example.replace('2026-11-01 00:54:00', 'when it is done'));
    const command = fileURLToPath(new URL('../../infra/local/observe/observe.cli.ts', import.meta.url));
    const asked = promisify(execFile)(process.execPath, [
      command,
      file,
      '--url',
      'http://127.0.0.1:9',
      '--token',
      'none',
    ]);
    await expect(asked).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/line 5: not a scan: .*\nNothing was sent\.\n$/) as string,
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
