/**
 * Runs the catalogue of mutations: each in a copy of the tree, where its named test must fail.
 * `npm run test:mutations [-- --json] [--match TEXT] [--jobs N]`; the last line is `{"mutations", "found", "survivors"}`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { catalogue } from './catalogue.ts';
import { mutate, type Mutation } from './mutation.ts';

const root = join(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    match: { type: 'string', default: '' },
    jobs: { type: 'string', default: '2' },
  },
});

interface Judged {
  readonly mutation: Mutation;
  readonly isFound: boolean;
  readonly why: string;
}

const chosen = catalogue.filter(({ id, file }) => id.includes(values.match) || file.includes(values.match));
const queue = chosen.filter(({ equivalent }) => equivalent === undefined);
const judged: Judged[] = [];
const waiting = [...queue];
await Promise.all(Array.from({ length: Math.max(1, Number(values.jobs)) }, work));
const survivors = judged.filter(({ isFound }) => !isFound).map(({ mutation }) => mutation.id);
for (const { id, equivalent } of chosen) {
  if (equivalent !== undefined) note(`equivalent  ${id}: ${equivalent}`);
}
console.log(JSON.stringify({ mutations: queue.length, found: judged.length - survivors.length, survivors }));
process.exitCode = survivors.length > 0 ? 1 : 0;

async function work(): Promise<void> {
  const copy = await copyTree();
  try {
    for (let mutation = waiting.shift(); mutation; mutation = waiting.shift()) {
      const verdict = await judge(copy, mutation);
      judged.push(verdict);
      note(`${verdict.isFound ? 'found      ' : 'SURVIVED   '} ${mutation.id}${verdict.why}`);
    }
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** The files that git knows and those it would: what is ignored is not copied. */
async function copyTree(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'ops-db-mutation-'));
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  for (const file of listed.split('\0').filter((each) => each !== '' && each !== 'node_modules')) {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await cp(join(root, file), join(copy, file)).catch(() => undefined); // deleted, not committed yet
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

async function judge(copy: string, mutation: Mutation): Promise<Judged> {
  const file = join(copy, mutation.file);
  const source = await readFile(join(root, mutation.file), 'utf8');
  const write = async (text: string) => {
    await writeFile(file, text);
    // what runs is generated
    if (file.endsWith('.lua')) execFileSync(process.execPath, ['infra/local/lua-scripts.ts'], { cwd: copy });
  };
  await write(mutate(source, mutation));
  try {
    const { failed, passed, output } = await runTest(copy, mutation);
    const didRun = failed + passed > 0;
    if (!didRun) return { mutation, isFound: false, why: `: no test ran\n${output.slice(-2000)}` };
    return { mutation, isFound: failed > 0, why: failed > 0 ? '' : `: ${passed} tests passed` };
  } finally {
    await write(source);
  }
}

async function runTest(copy: string, { test, named }: Mutation) {
  const report = join(copy, 'mutation-report.json');
  await rm(report, { force: true });
  const name = named === undefined ? [] : ['-t', named.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)];
  const args = ['run', `test/${test}`, ...name, '--reporter=json', `--outputFile=${report}`, '--bail=1'];
  const child = spawn(join(copy, 'node_modules/.bin/vitest'), args, { cwd: copy, env: process.env });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output += text.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  const counted = await readFile(report, 'utf8').catch(() => '{}');
  const { numFailedTests = 0, numPassedTests = 0 } = JSON.parse(counted) as Record<string, number>;
  return { failed: numFailedTests, passed: numPassedTests, output };
}

function note(line: string): void {
  if (values.json) console.error(line);
  else console.log(line);
}
