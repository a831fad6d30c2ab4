/** Bundles the functions, for the local stack and for deployments alike. */
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { functions, type FunctionName } from './topology.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The bundle of function `name` in the directory that `bundleFunctions` wrote. */
export const bundlePath = (directory: string, name: FunctionName) => join(directory, name, 'index.mjs');

/** Bundles every function into a folder below `directory`. @returns the bundled files, relative to the root */
export async function bundleFunctions(directory: string): Promise<readonly string[]> {
  const commit = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout ?? '';
  const built = await Promise.all(
    Object.entries(functions).map(([name, { entry }]) =>
      build({
        metafile: true,
        absWorkingDir: root,
        entryPoints: [entry],
        outfile: join(directory, name, 'index.mjs'),
        bundle: true,
        platform: 'node',
        target: 'node24',
        format: 'esm',
        minify: true,
        // ES modules can be tree-shaken, CommonJS cannot
        mainFields: ['module', 'main'],
        legalComments: 'none',
        define: { BUNDLED_COMMIT: JSON.stringify(commit.trim()) },
        external: ['pg-native'],
        // CommonJS packages require Node's own modules
        banner: {
          js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
        },
        logLevel: 'warning',
      }),
    ),
  );
  await mkdir(join(directory, 'migrate'), { recursive: true });
  for (const each of ['migrations', 'functions']) {
    await cp(join(root, 'lib/postgres', each), join(directory, 'migrate', each), { recursive: true });
  }
  const docs = join(directory, 'describe', 'docs');
  await mkdir(docs, { recursive: true });
  for (const each of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
    const content = await readFile(join(root, 'node_modules/swagger-ui-dist', each));
    await writeFile(join(docs, `${each}.gz`), await promisify(gzip)(content));
  }
  return built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
}
