import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface TestResult {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
}

export interface TestRun {
  readonly tests: readonly TestResult[];
  /** why the file or a hook failed, or why the run ended early */
  readonly trouble?: string;
}

interface JsonReport {
  readonly testResults?: readonly {
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const running = new Set<number>();

/** Kills all active runs with their child processes. */
export function stopRuns(): void {
  for (const pid of running) kill(pid);
}

/**
 * Runs the tests of one file whose name contains one of `names`, or all if there are none. Ends a run that takes longer than
 * `limitMilliseconds`. @param bail whether to stop at the first failure
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
    // its shebang would use the `node` of the PATH
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
    // a process group of its own, which can be killed as a whole
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
  if (isLate) return { tests: [], trouble: `not finished after ${limitMilliseconds / 1000} s` };
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
    // it has exited meanwhile
  }
}
