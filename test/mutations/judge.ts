import type { Mutation } from './mutation.ts';
import { runTests, type TestRun } from './run-tests.ts';
import type { TreeCopy } from './tree.ts';

export interface Verdict {
  readonly id: string;
  readonly result: 'found' | 'survived' | 'did not run';
  readonly seconds: number;
  /** the failed tests if it was found, otherwise the reason */
  readonly detail: string;
}

/**
 * Judges the mutations of one test file. Their tests first run on the unchanged tree: a test that fails there, or does not
 * exist, says nothing about a mutation.
 */
export async function judgeFile(
  tree: TreeCopy,
  mutations: readonly Mutation[],
  limitMilliseconds: number,
  report: (verdict: Verdict) => void,
): Promise<void> {
  const [{ test: file } = { test: '' }] = mutations;
  const names = mutations.every(({ named }) => named !== undefined)
    ? [...new Set(mutations.flatMap(({ named }) => named ?? []))]
    : [];
  const before = await runTests(tree.directory, file, {
    names,
    limitMilliseconds: limitMilliseconds * 3,
    bail: false,
  });
  for (const mutation of mutations) {
    const started = performance.now();
    const obstacle = obstacleOf(before, mutation);
    const judged =
      obstacle === undefined
        ? await judge(tree, mutation, limitMilliseconds)
        : ({ result: 'did not run', detail: obstacle } as const);
    report({ id: mutation.id, ...judged, seconds: Math.round((performance.now() - started) / 100) / 10 });
  }
}

/** Why the tests of a mutation cannot find it, judged by their run on the unchanged tree. */
function obstacleOf(before: TestRun, { named = '' }: Mutation): string | undefined {
  const tests = before.tests.filter(({ name, status }) => name.includes(named) && status !== 'skipped');
  const failed = tests.find(({ status }) => status === 'failed');
  if (failed) return `“${failed.name}” fails without the mutation`;
  if (tests.length === 0) return `no test of this name ran on the unchanged tree. ${before.trouble ?? ''}`;
  return undefined;
}

async function judge(
  tree: TreeCopy,
  mutation: Mutation,
  limitMilliseconds: number,
): Promise<Pick<Verdict, 'result' | 'detail'>> {
  const names = mutation.named === undefined ? [] : [mutation.named];
  const { tests, trouble } = await tree.whileMutated(mutation, () =>
    runTests(tree.directory, mutation.test, { names, limitMilliseconds, bail: true }),
  );
  const failed = tests.filter(({ status }) => status === 'failed');
  if (failed.length > 0) return { result: 'found', detail: failed.map(({ name }) => `“${name}”`).join(', ') };
  const passed = tests.filter(({ status }) => status === 'passed').length;
  if (trouble !== undefined || passed === 0)
    return { result: 'did not run', detail: trouble ?? 'no test ran' };
  return { result: 'survived', detail: `${passed} passed` };
}
