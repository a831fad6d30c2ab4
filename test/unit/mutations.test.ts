import { glob, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { catalogue } from '../mutations/catalogue.ts';
import { mutate } from '../mutations/mutation.ts';

const root = new URL('../../', import.meta.url);

it('the catalogue has each mutation once', () => {
  const ids = catalogue.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

it.each(catalogue.map((mutation) => [mutation.id, mutation] as const))(
  'mutation %s applies once and names an existing test',
  async (_id, mutation) => {
    const source = await readFile(new URL(mutation.file, root), 'utf8');
    expect(mutate(source, mutation)).not.toBe(source);
    const test = await readFile(new URL(`test/${mutation.test}`, root), 'utf8');
    // `it.each` fills in placeholders: only the words before the first one are in the source
    const [first = ''] = (mutation.named ?? '').split(/[%$]/);
    expect(test).toContain(first);
  },
);

it('each Redis script and each SQL function has at least two mutations', async () => {
  const cwd = root.pathname;
  const files: string[] = [];
  for await (const file of glob(['lib/**/*.lua', 'lib/postgres/functions/*.sql'], { cwd })) files.push(file);
  expect(files.length).toBeGreaterThan(40);
  const mutated = (file: string) =>
    catalogue.filter((each) => each.file === file && each.equivalent === undefined).length;
  expect(files.filter((file) => mutated(file) < 2)).toEqual([]);
});
