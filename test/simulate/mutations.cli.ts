/**
 * Runs the mutations of the protocol against the simulator: `node test/simulate/mutations.cli.ts [--match TEXT] [--histories N]
 * [--every N] [--json FILE]`. A mutation is found if a history breaks a rule. Prints each with the rule and the seed that found it.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { parseArgs, promisify } from 'node:util';
import { catalogue } from '../mutations/catalogue.ts';
import { TreeCopy } from '../mutations/tree.ts';

const {
  values: { match, histories, seed, json, every },
} = parseArgs({
  options: {
    match: { type: 'string', default: '' },
    histories: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    /** takes one of so many, for a sample */
    every: { type: 'string', default: '1' },
  },
});

/** What the simulator runs: the way of a transaction from the door to its reader. */
const protocol =
  /^(lib\/(buffer|submission|postgres|replication|smart-query|table|transaction)\/|functions\/(accept|process|sweep|query|decide)\/)/;

const chosen = catalogue
  .filter(
    ({ id, file, equivalent }) =>
      protocol.test(file) && equivalent === undefined && (id.includes(match) || file.includes(match)),
  )
  .filter((_, index) => index % Number(every) === 0);
const run = promisify(execFile);
const results: { id: string; file: string; result: string }[] = [];

async function judge(directory: string): Promise<string> {
  const args = ['test/simulate/simulate.cli.ts', '--seed', seed, '--histories', histories, '--quick'];
  const { stdout, stderr } = await run(process.execPath, args, { cwd: directory, maxBuffer: 1e8 }).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => error,
  );
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) return `did not run: ${stderr.trim().split('\n').at(-1)}`;
  const { violations } = JSON.parse(last) as { violations: { seed: number; rule: string }[] };
  const [first] = violations;
  return first ? `found by "${first.rule}", seed ${first.seed}` : 'survived';
}

const tree = await TreeCopy.create();
try {
  for (const mutation of chosen) {
    const result = await tree.whileMutated(mutation, () => judge(tree.directory));
    results.push({ id: mutation.id, file: mutation.file, result });
    console.log(`${mutation.id}: ${result}`);
    if (json !== undefined) await writeFile(json, `${JSON.stringify(results, null, 2)}\n`);
  }
} finally {
  await tree.remove();
}
const found = results.filter(({ result }) => result.startsWith('found')).length;
console.log(JSON.stringify({ mutations: results.length, found }));
