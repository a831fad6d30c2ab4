import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bundleFunctions, bundlePath } from '../../infra/bundle.ts';

/** What the accept function's bundle was when it was last looked at. Whoever makes it larger has a reason. */
const knownBytes = 485_000;

it('the accept function, which every cold start loads, has not grown by more than 5 %', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  await bundleFunctions(directory);
  const { size } = await stat(bundlePath(directory, 'accept'));
  await rm(directory, { recursive: true, force: true });
  expect(size).toBeLessThanOrEqual(knownBytes * 1.05);
});
