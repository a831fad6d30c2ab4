/**
 * Histories under one seeded scheduler: `npm run simulate -- --seed N --histories M [--json] [--trace]`
 *
 * The history of seed N comes first, then that of N + 1, and so on. `--trace` prints everything that happens in the first one.
 * Exits with 1 if something that must hold does not; its story is printed, and its seed repeats it.
 */
import './hooks.ts';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    histories: { type: 'string', default: '1' },
    /** stop after so many violations */
    violations: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    /** leaves the story as long as it is */
    quick: { type: 'boolean', default: false },
  },
});

const { simulate } = await import('./simulate.ts');
const summary = await simulate({
  seed: Number(values.seed),
  histories: Number(values.histories),
  violations: Number(values.violations),
  trace: values.trace,
  quick: values.quick,
  tell: (line) => (values.json ? process.stderr : process.stdout).write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(summary)}\n`);
process.exit(summary.violations.length > 0 ? 1 : 0);
