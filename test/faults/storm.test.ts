import { expect, it } from 'vitest';
import { describeStorm, storm } from './storm/storm.ts';

it('the system neither loses, repeats nor reorders writes in a storm of faults', async () => {
  const report = await storm(20261124, 25);
  console.log(describeStorm(report));
  expect(report.ours.acknowledged).toBeGreaterThan(20);
  expect(report.ours).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
  expect(report.stuck).toEqual([]);
  expect(report.violations).toEqual([]);
  const baselines = [report.list, report.queue];
  expect(baselines.reduce((sum, each) => sum + each.lost + each.duplicated, 0)).toBeGreaterThan(0);
}, 400_000);
