import { glob, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { catalogue } from '../mutations/catalogue.ts';
import { mutate } from '../mutations/mutation.ts';

const root = new URL('../../', import.meta.url);

it('catalogue has each mutation once', () => {
  const ids = catalogue.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

it.each(catalogue.map((mutation) => [mutation.id, mutation] as const))(
  'mutation %s finds its place and its test',
  async (_id, mutation) => {
    const source = await readFile(new URL(mutation.file, root), 'utf8');
    expect(mutate(source, mutation)).not.toBe(source);
    const test = await readFile(new URL(`test/${mutation.test}`, root), 'utf8');
    // a name may hold what `it.each` fills in: its first words are there
    const [first = ''] = (mutation.named ?? '').split(/[%$]/);
    expect(test).toContain(first);
  },
);

it('each script of Redis and each function of main has two mutations at least', async () => {
  const cwd = root.pathname;
  const files: string[] = [];
  for await (const file of glob(['lib/**/*.lua', 'lib/postgres/functions/*.sql'], { cwd })) files.push(file);
  expect(files.length).toBeGreaterThan(40);
  const mutated = (file: string) =>
    catalogue.filter((each) => each.file === file && each.equivalent === undefined).length;
  expect(files.filter((file) => mutated(file) < 2)).toEqual([]);
});
