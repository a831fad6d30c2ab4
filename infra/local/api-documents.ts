/** `npm run api`: generates lib/api/generated from the contracts. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { generated } from '../../lib/api/generate.ts';

const root = new URL('../../', import.meta.url);

/** Each generated file, formatted, by its path from the root of the project. */
export async function apiDocuments(): Promise<ReadonlyMap<string, string>> {
  const { version } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as {
    version: string;
  };
  const config = await resolveConfig(fileURLToPath(new URL('package.json', root)));
  const documents = new Map<string, string>();
  for (const [name, content] of Object.entries(generated(version))) {
    const path = `lib/api/generated/${name}`;
    documents.set(path, await format(content, { ...config, filepath: path }));
  }
  return documents;
}

if (import.meta.main) {
  for (const [path, content] of await apiDocuments()) await writeFile(new URL(path, root), content);
}
