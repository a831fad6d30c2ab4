/**
 * `npm run lua`: generates lib/redis/generated/scripts.ts from the `.lua` files below `lib`. Each file in a folder `lua` is a
 * script. A file in its subfolder `include` is a part, which scripts and parts include as in BullMQ:
 * `--- @include "include/part"`, relative to the including file. Each part is emitted once, before the first file that includes it.
 */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const scriptsFile = join(root, 'lib/redis/generated/scripts.ts');

interface LuaFile {
  /** relative to the root */
  readonly path: string;
  /** without comment lines */
  readonly text: string;
}

export interface LuaScript extends LuaFile {
  /** included parts, in order */
  readonly parts: readonly LuaFile[];
}

/** All scripts, sorted by name. @throws Error if two files have the same name, or an included file is missing */
export async function readLuaScripts(): Promise<LuaScript[]> {
  const files = (await readdir(join(root, 'lib'), { recursive: true })).filter((file) =>
    file.endsWith('.lua'),
  );
  const names = files.map(nameOf);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two Lua files have the name ${twice}`);
  const scripts = files
    .filter((file) => basename(dirname(file)) === 'lua')
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return Promise.all(
    scripts.map(async (file) => {
      const read = new Map<string, LuaFile>();
      const script = await readWithParts(join('lib', file), read);
      return { ...script, parts: [...read.values()].filter(({ path }) => path !== script.path) };
    }),
  );
}

/** Adds the files that `path` includes, and then the file itself. */
async function readWithParts(path: string, read: Map<string, LuaFile>): Promise<LuaFile> {
  const lines = (await readFile(join(root, path), 'utf8')).trim().split('\n');
  for (const line of lines) {
    const [, asked] = /^--- @include "([^"]+)"$/.exec(line) ?? [];
    const part = asked && relative(root, resolve(root, dirname(path), `${asked}.lua`));
    if (part && !read.has(part)) await readWithParts(part, read);
  }
  const file = { path, text: lines.filter((line) => !/^\s*--|^$/.test(line)).join('\n') };
  read.set(path, file);
  return file;
}

/** The complete text that Redis gets. */
export const textOf = ({ parts, text }: LuaScript) => [...parts.map((part) => part.text), text].join('\n');

/** The module, with one export per script so that a bundle contains only the scripts of its function. */
export function scriptsModule(scripts: readonly LuaScript[]): string {
  const parts = new Map(scripts.flatMap((script) => script.parts.map((part) => [part.path, part])));
  const declarations = [...parts.values()].map(
    ({ path, text }) => `/** ${path} */\nconst ${camelCase(path)} = \`${quoted(text)}\n\`;\n`,
  );
  const exports = scripts.map(
    (script) =>
      `/** ${script.path} */\nexport const ${camelCase(script.path)}Script = /* @__PURE__ */ script(${[
        ...script.parts.map((part) => camelCase(part.path)),
        `\`${quoted(script.text)}\``,
      ].join(', ')});\n`,
  );
  const lines = ['// Written by: npm run lua', "import { script } from '../script.ts';\n"];
  return [...lines, ...declarations, ...exports].join('\n');
}

const nameOf = (path: string) => basename(path, '.lua');
const camelCase = (path: string) =>
  nameOf(path).replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const quoted = (text: string) => text.replaceAll(/[`\\]|\$\{/g, String.raw`\$&`);

if (import.meta.main) await writeFile(scriptsFile, scriptsModule(await readLuaScripts()));
