/** Size and import time of the accept bundle, an empty handler, and a bundle of all dependencies. */
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleFunctions, bundlePath } from '../../infra/bundle.ts';
import { percentile } from '../../infra/local/percentile.ts';

const rounds = 7;
const everything = [
  '@aws-sdk/client-sqs',
  '@aws-sdk/client-apigatewaymanagementapi',
  '@aws-sdk/client-lambda',
];
const more = ['@upstash/redis', 'jose', 'pg', 'zod', '@middy/core'];

export async function benchBundle(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-bench-'));
  try {
    await bundleFunctions(directory);
    const files = {
      empty: await write(directory, 'empty', 'export const handler = async () => ({ statusCode: 200 });'),
      accept: bundlePath(directory, 'accept'),
      'all imported': await all(directory),
    };
    const times = new Map<string, number[]>(Object.keys(files).map((name) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, path] of Object.entries(files)) times.get(name)?.push(importMilliseconds(path));
    }
    console.log('| bundle | KB | import ms (median) |\n|---|---|---|');
    for (const [name, path] of Object.entries(files)) {
      const kilobytes = Math.round((await stat(path)).size / 1024);
      console.log(`| ${name} | ${kilobytes} | ${percentile(times.get(name) ?? [], 0.5)} |`);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function write(directory: string, name: string, text: string): Promise<string> {
  const path = join(directory, `${name}.mjs`);
  await writeFile(path, text);
  return path;
}

async function all(directory: string): Promise<string> {
  const imports = [...everything, ...more].map((name, n) => `export * as m${n} from '${name}';`).join('\n');
  const outfile = join(directory, 'all.mjs');
  await build({
    stdin: { contents: imports, resolveDir: fileURLToPath(new URL('../..', import.meta.url)) },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    minify: true,
    mainFields: ['module', 'main'],
    legalComments: 'none',
    external: ['pg-native'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  return outfile;
}

/** Imports the bundle in a new process, as a cold start does. Without settings nothing connects. */
function importMilliseconds(path: string): number {
  const code = `const t = performance.now(); try { await import(${JSON.stringify(path)}); } catch {} console.log(performance.now() - t);`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
  return Number(stdout.trim().split('\n').at(-1));
}
