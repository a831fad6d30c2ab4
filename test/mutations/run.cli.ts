/**
 * Runs the catalogue of mutations, each in a copy of the tree in which its test must fail.
 *
 * `npm run test:mutations -- [--only ID]… [--match TEXT] [--project unit]… [--jobs N] [--limit SECONDS] [--json FILE]`
 *
 * The last line is `{"mutations", "found", "survived", "didNotRun"}`. Exits with 1 if a mutation survives, except those marked
 * `survives`, and with 2 if the test of one did not run.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { catalogue } from './catalogue.ts';
import { judgeFile, type Verdict } from './judge.ts';
import type { Mutation } from './mutation.ts';
import { stopRuns } from './run-tests.ts';
import { TreeCopy } from './tree.ts';

const {
  values: { only: ids, match, project: projects, jobs, limit, json },
} = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    match: { type: 'string', default: '' },
    project: { type: 'string', multiple: true, default: [] },
    jobs: { type: 'string', default: '2' },
    limit: { type: 'string', default: '180' },
    json: { type: 'string' },
  },
});

const unknown = ids.filter((id) => !catalogue.some((mutation) => mutation.id === id));
if (unknown.length > 0) throw new Error(`not in the catalogue: ${unknown.join(', ')}`);
const chosen = catalogue.filter(
  ({ id, file, test }) =>
    (ids.length === 0 || ids.includes(id)) &&
    (id.includes(match) || file.includes(match)) &&
    (projects.length === 0 || projects.some((project) => test.startsWith(`${project}/`))),
);
const files = Map.groupBy(
  chosen.filter(({ equivalent }) => equivalent === undefined),
  ({ test }) => test,
);
const waiting: (readonly Mutation[])[] = [...files.values()];
const verdicts: Verdict[] = [];

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    waiting.length = 0;
    stopRuns();
    process.exit(130);
  });
}
for (const { id, equivalent } of chosen) {
  if (equivalent !== undefined) console.log(`equivalent   ${id}: ${equivalent}`);
}
await Promise.all(Array.from({ length: Math.max(1, Number(jobs)) }, work));

const idsOf = (result: Verdict['result']) =>
  verdicts.filter((verdict) => verdict.result === result).map(({ id }) => id);
const summary = {
  mutations: verdicts.length,
  found: idsOf('found').length,
  survived: idsOf('survived'),
  didNotRun: idsOf('did not run'),
};
if (json !== undefined) {
  await writeFile(json, `${JSON.stringify({ ...summary, verdicts }, null, 2)}\n`);
}
console.log(JSON.stringify(summary));
const unexpected = summary.survived.filter(
  (id) => catalogue.find((mutation) => mutation.id === id)?.survives === undefined,
);
if (unexpected.length > 0) process.exitCode = 1;
else if (summary.didNotRun.length > 0) process.exitCode = 2;

async function work(): Promise<void> {
  if (waiting.length === 0) return;
  const tree = await TreeCopy.create();
  try {
    for (let mutations = waiting.shift(); mutations; mutations = waiting.shift()) {
      await judgeFile(tree, mutations, Number(limit) * 1000, (verdict) => {
        verdicts.push(verdict);
        const { id, result, seconds, detail } = verdict;
        console.log(
          `${result.toUpperCase().padEnd(11)}  ${id} (${seconds} s)${result === 'found' ? '' : `: ${detail}`}`,
        );
      });
    }
  } finally {
    await tree.remove();
  }
}
