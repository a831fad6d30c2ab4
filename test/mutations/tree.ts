import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { mutate, type Mutation } from './mutation.ts';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
/** The module that `npm run lua` generates from the `.lua` files. */
const generatedScripts = 'lib/redis/generated/scripts.ts';

/** A copy of the working tree with the same `node_modules`, for one mutation at a time. */
export class TreeCopy {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Copies tracked and untracked files, except ignored ones. */
  static async create(): Promise<TreeCopy> {
    const directory = await mkdtemp(join(tmpdir(), 'ops-db-mutation-'));
    const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      maxBuffer: 1e8,
    });
    for (const file of stdout.split('\0').filter((each) => each !== '' && each !== 'node_modules')) {
      await mkdir(dirname(join(directory, file)), { recursive: true });
      await cp(join(root, file), join(directory, file)).catch(() => undefined); // deleted without a commit
    }
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    return new TreeCopy(directory);
  }

  /** Applies the mutation while `work` runs. @throws Error unless its text is in the file exactly once */
  async whileMutated<T>(mutation: Mutation, work: () => Promise<T>): Promise<T> {
    const before = new Map<string, string>();
    for (const file of mutation.file.endsWith('.lua') ? [mutation.file, generatedScripts] : [mutation.file]) {
      before.set(file, await readFile(join(this.directory, file), 'utf8'));
    }
    const source = before.get(mutation.file) ?? '';
    await writeFile(join(this.directory, mutation.file), mutate(source, mutation));
    try {
      if (mutation.file.endsWith('.lua')) {
        await run(process.execPath, ['infra/local/lua-scripts.ts'], { cwd: this.directory });
      }
      return await work();
    } finally {
      for (const [file, text] of before) await writeFile(join(this.directory, file), text);
    }
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
