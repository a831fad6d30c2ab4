import { readdirSync, readFileSync } from 'node:fs';

const lib = new URL('./lib/', import.meta.url);

/**
 * The folders of lib in the order of lib/README.md, the lowest first.
 * @throws Error if one of them has no place there
 */
export function foldersOfLib() {
  const text = readFileSync(new URL('README.md', lib), 'utf8');
  const [, section = ''] = /^## Layers$(.*?)^## /ms.exec(text) ?? [];
  const lines = section.match(/^\d+\. .*$/gm) ?? [];
  const folders = lines.flatMap((line) => [...line.matchAll(/`([\w-]+)`/g)].map(([, name]) => name));
  for (const { name } of readdirSync(lib, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    if (!folders.includes(name))
      throw new Error(`lib/${name} has no place in the list of lib/README.md (Layers)`);
  }
  return folders;
}
