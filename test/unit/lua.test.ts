import { glob, readFile } from 'node:fs/promises';
import { parse } from 'luaparse';
import { expect, it } from 'vitest';
import { readLuaScripts, scriptsFile, scriptsModule, textOf } from '../../infra/local/lua-scripts.ts';

/** The globals that Redis gives a script. */
const given = new Set([
  'redis',
  'cjson',
  'KEYS',
  'ARGV',
  'error',
  'ipairs',
  'math',
  'next',
  'pairs',
  'pcall',
  'setmetatable',
  'string',
  'table',
  'tonumber',
  'tostring',
  'type',
  'unpack',
]);

/** Names that a script uses without declaring them. @throws SyntaxError if it is not Lua 5.1 */
function undeclared(lua: string): string[] {
  const { globals } = parse(lua, { luaVersion: '5.1', scope: true }) as unknown as {
    globals: { name: string }[];
  };
  return globals.map(({ name }) => name).filter((name) => !given.has(name));
}

const scripts = await readLuaScripts();

it('the generated scripts are up to date with the .lua files (update with npm run lua)', async () => {
  expect(scriptsModule(scripts)).toBe(await readFile(scriptsFile, 'utf8'));
});

it.each(scripts)('$path is Lua 5.1 and uses no undeclared global', (script) => {
  expect(undeclared(textOf(script))).toEqual([]);
});

it('the check for undeclared globals finds assignments and reads, also inside functions', () => {
  expect(undeclared('local function f() forgotten = 1 end\nreturn other')).toEqual(['forgotten', 'other']);
  expect(() => undeclared('local x = 5 // 2')).toThrow(SyntaxError);
});

it('no source file defines a Redis script outside the .lua files', async () => {
  const found: string[] = [];
  for await (const file of glob(['lib/**/*.ts', 'functions/**/*.ts'])) {
    if (file === 'lib/redis/script.ts' || file === 'lib/redis/generated/scripts.ts') continue;
    const text = await readFile(file, 'utf8');
    if (/\bscript\(|\.evalsha\(|\.eval\((?!\s*\w+Script\.source)|keyLocking/.test(text)) found.push(file);
  }
  expect(found).toEqual([]);
});
