import type { Mutation } from '../mutation.ts';

const observe = { file: 'infra/local/observe/observe.ts', test: 'unit/observe.test.ts' };
const schedule = 'infra/local/observe/schedule';
const reading = { test: 'unit/schedule.test.ts' };

export const observeMutations: readonly Mutation[] = [
  {
    id: 'observe-equal-scans-share-a-key',
    file: 'infra/local/observe/scan-identity.ts',
    replace: 'stableKey(scan, ordinal)',
    by: 'stableKey(scan, 0)',
    test: 'unit/observe.test.ts',
    named: 'observes two identical scans as two',
  },
  {
    ...observe,
    id: 'observe-other-values-count-as-a-failure',
    replace: 'error.answer.status !== keyOfOtherValues',
    by: 'error.answer.status > 0',
    named: 'another end and elevation of one scan',
  },
  {
    ...observe,
    id: 'observe-goes-on-with-what-was-discarded',
    replace: "transaction.state !== 'discarded' && ",
    by: '',
    named: 'continues under its keys where its',
  },
  {
    ...observe,
    id: 'observe-pointing-is-part-of-a-start',
    replace: 'metadata: { site, telescope, patch, pass, subscan },',
    by: 'metadata: { site, telescope, patch, pass, subscan, el_deg: scan.elevationDegrees },',
    named: 'another end and elevation of one scan',
  },
  {
    ...reading,
    id: 'schedule-column-becomes-part-of-a-name',
    file: `${schedule}/concise.ts`,
    replace: String.raw`(?: \S+)*`,
    by: String.raw`(?:\s+\S+)*`,
    named: 'a column too many',
  },
  {
    ...reading,
    id: 'schedule-special-lines-are-scans',
    file: `${schedule}/text.ts`,
    replace: "content.includes('SPECIAL')",
    by: "content === 'SPECIAL'",
    named: 'special-lines.txt',
  },
  {
    ...reading,
    id: 'schedule-rotation-of-any-size',
    file: `${schedule}/scan.ts`,
    replace: '[-360, 360], line',
    by: '[-1e9, 1e9], line',
    named: 'a rotation beyond a turn',
  },
  {
    ...reading,
    id: 'schedule-calibrations-are-scans',
    file: `${schedule}/ecsv.ts`,
    replace: 'if (kind === scanBlock)',
    by: 'if (kind !== undefined)',
    named: 'fyst-timeline.ecsv',
  },
  {
    ...reading,
    id: 'schedule-angles-in-any-unit',
    file: `${schedule}/ecsv.ts`,
    replace: "unit !== 'deg'",
    by: "unit === ''",
    named: 'an angle in another unit',
  },
];
