/** The code of the first release, for tests and benchmarks that run both releases side by side. */
import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = fileURLToPath(new URL('../../', import.meta.url));

export const release1 = '15d4be3406d7a09bcc7236b8e52326bc46a4ed25';

/** Its commit is not in this clone. */
export class Release1Missing extends Error {
  override readonly name = 'Release1Missing';
}

/**
 * Writes its tree into `directory`, with the packages of this tree, which are a superset of its own.
 * @throws Release1Missing in a shallow clone and outside git
 */
export async function extractRelease1(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const archive = `${directory}.tar`;
  try {
    await run('git', ['-C', here, 'archive', '--output', archive, release1]);
  } catch (cause) {
    throw new Release1Missing(
      `The first release (commit ${release1.slice(0, 7)}) is not in this clone. In a shallow clone, run git fetch --unshallow first.`,
      { cause },
    );
  }
  await run('tar', ['-xf', archive, '-C', directory]);
  await symlink(join(here, 'node_modules'), join(directory, 'node_modules'));
}
