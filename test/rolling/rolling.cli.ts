/**
 * `npm run test:rolling`: a deployment that is half done. The functions of the first release and of this one share the stores of one
 * stack; each executes, confirms and shows what the other has accepted, from Redis and from messages alone. Prints a line for
 * each step; the last one is `{"steps", "failed"}`. Exits with 1 if one has failed, with 2 if the first release is not in this
 * clone: what it has stored is kept in test/fixtures/release-1 and held by `npm test`.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Release1Missing } from '../support/release-1-tree.ts';
import { startTestStack } from '../support/test-stack.ts';
import { firstRelease, thisRelease } from '../support/releases.ts';
import { Rolling } from './rolling.ts';

const directory = await mkdtemp(join(tmpdir(), 'ops-db-rolling-'));
const lines: string[] = [];
const stack = await startTestStack({ settings: { START_WAIT_SECONDS: '1' } });
const failed: string[] = [];
let steps = 0;

async function step(name: string, run: () => Promise<void>): Promise<void> {
  steps += 1;
  try {
    await run();
    console.log(`passed  ${name}`);
  } catch (error) {
    failed.push(name);
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

try {
  await stack.quiesce();
  const first = await firstRelease(stack, directory, (line) => lines.push(line));
  try {
    const both = [first, thisRelease(stack)];
    for (const writer of both) {
      for (const executor of both) {
        const rolling = new Rolling(stack, { writer, executor, both });
        for (const [name, run] of rolling.steps()) {
          await step(`${writer.name} writes, ${executor.name} executes: ${name}`, run);
        }
      }
    }
  } finally {
    await first.stop();
  }
  assert.equal(failed.length, 0);
  process.exitCode = 0;
} catch (error) {
  process.exitCode = error instanceof Release1Missing ? 2 : 1;
  if (!(error instanceof assert.AssertionError)) console.error(error);
  for (const line of lines.slice(-20)) console.error(line);
} finally {
  await stack.stop();
  await rm(directory, { recursive: true, force: true });
}
console.log(JSON.stringify({ steps, failed }));
