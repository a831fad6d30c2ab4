import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const directory = new URL('..', import.meta.url);

it('names tests that exist, for every window', async () => {
  const text = await readFile(new URL('INVARIANTS.md', directory), 'utf8');
  const rows = text.split('\n').filter((line) => /^\| W\d+ +\|/.test(line));
  const secured = text.split('\n').filter((line) => /^\| S\d+ /.test(line));
  expect(secured).toHaveLength(21);
  expect(rows.map((row) => /W(\d+)/.exec(row)?.[1])).toEqual(Array.from({ length: 20 }, (_, n) => String(n)));
  for (const row of [...rows, ...secured]) {
    const named = [...row.matchAll(/`([\w/.-]+\.test\.ts)` ((?:“[^”]+”(?:, )?)+)/g)];
    expect(named.length, row).toBeGreaterThan(0);
    for (const [, file = '', tests = ''] of named) {
      const source = (await readFile(new URL(file, directory), 'utf8')).replaceAll(/\s+/g, ' ');
      for (const [, test = ''] of tests.matchAll(/“([^”]+)”/g)) {
        expect(source, `${file}: ${test}`).toContain(test);
      }
    }
  }
});
