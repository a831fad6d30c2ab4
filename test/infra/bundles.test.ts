import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundleFunctions, bundlePath } from '../../infra/bundle.ts';

let directory: string;
let files: readonly string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  files = await bundleFunctions(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Bytes of each bundle when they were last reviewed. Raise a figure only for a reason. */
it.each([
  ['accept', 525_000],
  ['query', 335_000],
  ['health', 550_000],
] as const)(
  'the bundle of %s, loaded by every cold start, has grown by at most 5 %%',
  async (name, bytes) => {
    const { size } = await stat(bundlePath(directory, name));
    expect(size).toBeLessThanOrEqual(bytes * 1.05);
  },
);

it('bundles contain no code of infra or test', () => {
  expect(files).toContain('lib/buffer/accept.ts');
  expect(files.filter((file) => /^(infra|test)\//.test(file))).toEqual([]);
});
