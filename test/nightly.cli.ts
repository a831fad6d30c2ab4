/**
 * `npm run test:nightly [-- --seed N] [--storms 3] [--seconds 120] [--scale 5]`: the tests that take too long for each change.
 * Runs storms with consecutive seeds, the property tests with that seed and many more cases, a deployment that is half done, and the
 * whole catalogue of mutations. A failed step does not stop the others. The last line is
 * `{"seed", "steps": [{"name", "seconds", "isPassed"}]}`; exits with 1 if a step has failed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    storms: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '120' },
    scale: { type: 'string', default: '5' },
  },
});
const seed = Number(values.seed ?? randomInt(2 ** 31 - 100));

interface Step {
  readonly name: string;
  readonly command: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
}

const storms = Array.from({ length: Number(values.storms) }, (_, n): Step => {
  const of = String(seed + n);
  return {
    name: `storm ${of}`,
    command: ['test/faults/storm.cli.ts', '--seed', of, '--seconds', values.seconds],
  };
});
/** The test files with properties. */
const withProperties = ['test/unit', 'test/properties', 'model.test.ts', 'apply-plain', 'state-counts'];
const steps: readonly Step[] = [
  ...storms,
  {
    name: `properties ${seed}`,
    command: ['node_modules/vitest/vitest.mjs', 'run', ...withProperties],
    settings: { PROPERTY_SEED: String(seed), PROPERTY_SCALE: values.scale },
  },
  { name: 'rolling', command: ['test/rolling/rolling.cli.ts'] },
  { name: 'mutations', command: ['test/mutations/run.cli.ts', '--json', 'mutations.log'] },
];

const done = [];
for (const { name, command, settings } of steps) {
  console.log(`\n== ${name}`);
  const began = performance.now();
  const child = spawn(process.execPath, command, { stdio: 'inherit', env: { ...process.env, ...settings } });
  const [code] = (await once(child, 'close')) as [number | null];
  done.push({ name, seconds: Math.round((performance.now() - began) / 1000), isPassed: code === 0 });
}
console.log(JSON.stringify({ seed, steps: done }));
process.exitCode = done.every(({ isPassed }) => isPassed) ? 0 : 1;
