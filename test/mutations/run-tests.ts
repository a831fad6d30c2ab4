import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface TestResult {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
}

export interface TestRun {
  readonly tests: readonly TestResult[];
  /** why a file, or a hook of it, failed as a whole; or why the run ended early */
  readonly trouble?: string;
}

interface JsonReport {
  readonly testResults?: readonly {
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const running = new Set<number>();

/** Ends all runs that are under way, with what they have started. */
export function stopRuns(): void {
  for (const pid of running) kill(pid);
}

/**
 * Runs the tests of one file whose name has one of `names` as a part, all of the file if there are none, until one has failed.
 * A run that takes longer than `limitMilliseconds` is ended.
 */
export async function runTests(
  directory: string,
  file: string,
  { names, limitMilliseconds, bail }: { names: readonly string[]; limitMilliseconds: number; bail: boolean },
): Promise<TestRun> {
  const report = join(directory, 'mutation-report.json');
  await rm(report, { force: true });
  const pattern = names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('|');
  const child = spawn(
    // not by its own first line, which takes whatever `node` the PATH has
    process.execPath,
    [
      join(directory, 'node_modules/vitest/vitest.mjs'),
      'run',
      `test/${file}`,
      ...(pattern === '' ? [] : ['-t', pattern]),
      ...(bail ? ['--bail=1'] : []),
      '--reporter=json',
      `--outputFile=${report}`,
    ],
    // a group of its own, which can be ended as a whole
    { cwd: directory, env: { ...process.env, NO_COLOR: '1' }, detached: true },
  );
  const { pid } = child;
  if (pid === undefined) return { tests: [], trouble: 'vitest did not start' };
  running.add(pid);
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output += text.toString()));
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    kill(pid);
  }, limitMilliseconds);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(limit);
  running.delete(pid);
  if (isLate) return { tests: [], trouble: `not done after ${limitMilliseconds / 1000} s` };
  const { testResults = [] } = JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) as JsonReport;
  const tests = testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName, status }): TestResult => {
      const didRun = status === 'passed' || status === 'failed';
      return { name: fullName, status: didRun ? status : 'skipped' };
    }),
  );
  const messages = testResults.map(({ message = '' }) => message).filter((message) => message !== '');
  if (messages.length > 0) return { tests, trouble: messages.join('\n') };
  return tests.length > 0 ? { tests } : { tests, trouble: output.slice(-2000) };
}

function kill(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended meanwhile
  }
}
