/** The bundles of all functions, made once per test run by the first file that needs them, and removed by `global-setup.ts`. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleFunctions } from '../../infra/bundle.ts';

const variable = 'OPS_DB_TEST_RUN';

/** Makes the directory of this run. @returns undefined if this process has made it for another project already */
export function openTestRun(): string | undefined {
  const prefix = join(tmpdir(), `ops-db-run-${process.pid}-`);
  if (process.env[variable]?.startsWith(prefix)) return undefined;
  const directory = mkdtempSync(prefix);
  process.env[variable] = directory;
  return directory;
}

/** @returns the directory that `bundleFunctions` has written @throws Error outside a test run */
export async function testBundles(): Promise<string> {
  const run = process.env[variable];
  if (run === undefined) throw new Error(`${variable} is not set: test/support/global-setup.ts did not run`);
  const bundles = join(run, 'functions');
  if (existsSync(bundles)) return bundles;
  const own = join(run, randomUUID());
  await bundleFunctions(own);
  await rename(own, bundles).catch((error: unknown) => {
    // another file was faster
    if (!existsSync(bundles)) throw error;
  });
  return bundles;
}
