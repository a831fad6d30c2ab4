import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { createVitest } from 'vitest/node';

const directory = new URL('..', import.meta.url);
const sectionTitle = /^### ([WS])(\d+)\b/;

/** Names, as `vitest -t` takes them, of the tests that the runner collects and does not skip; by file from `test/`. */
async function collectTests(files: readonly string[]): Promise<Map<string, Set<string>>> {
  const vitest = await createVitest('test', { watch: false, reporters: [] });
  try {
    const { testModules } = await vitest.collect(files.map((file) => `test/${file}`));
    return new Map(
      testModules.map((module) => {
        const tests = [...module.children.allTests()].filter((test) => test.options.mode === 'run');
        const names = tests.map(({ fullName }) => fullName.replaceAll(' > ', ' '));
        return [module.moduleId.split('/test/').at(-1) ?? '', new Set(names)];
      }),
    );
  } finally {
    await vitest.close();
  }
}

it('INVARIANTS.md names tests that run, for every window', async () => {
  const text = await readFile(new URL('INVARIANTS.md', directory), 'utf8');
  const sections = text.split(/^(?=### )/m).filter((section) => sectionTitle.test(section));
  const numbers = (letter: string) =>
    sections.flatMap((section) => {
      const [, kind, number] = sectionTitle.exec(section) ?? [];
      return kind === letter ? [Number(number)] : [];
    });
  const windows = numbers('W');
  expect(windows.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(windows).toEqual([...new Set(windows)].sort((a, b) => a - b));
  expect(numbers('S')).toEqual(Array.from({ length: 22 }, (_, n) => n + 1));

  const named = sections.flatMap((section) => {
    const tests = [...section.matchAll(/^- `([\w/.-]+\.test\.ts)` “([^”]+)”$/gm)];
    expect(tests.length, section).toBeGreaterThan(0);
    return tests.map(([, file = '', name = '']) => ({ file, name }));
  });
  const collected = await collectTests([...new Set(named.map(({ file }) => file))]);
  const missing = named.filter(({ file, name }) => {
    // names of `it.each` contain placeholders
    const pattern = new RegExp(
      `${name
        .split(/%[sdij#o%]/)
        .map(escape)
        .join('.*')}`,
    );
    return ![...(collected.get(file) ?? [])].some((each) => pattern.test(each));
  });
  expect(missing).toEqual([]);
});

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
