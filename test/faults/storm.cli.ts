/** `npm run test:faults -- [--seed N] [--seconds 120]` */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { describeStorm, storm } from './storm/storm.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, seconds: { type: 'string', default: '120' } },
});
const report = await storm(Number(values.seed ?? randomInt(2 ** 31)), Number(values.seconds));
console.log(describeStorm(report));
const { lost, duplicated, outOfOrder } = report.ours;
process.exit(lost + duplicated + outOfOrder + report.stuck.length + report.violations.length > 0 ? 1 : 0);
