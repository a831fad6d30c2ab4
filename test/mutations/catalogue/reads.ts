import type { Mutation } from '../mutation.ts';

const merge = { file: 'lib/smart-query/merge.ts', test: 'unit/merge.test.ts' };
const replicas = { file: 'lib/replication/replicas.ts', test: 'unit/replicas.test.ts' };
const preference = { file: 'lib/replication/preference.ts', test: 'unit/replicas.test.ts' };
const orUnavailable = { file: 'lib/smart-query/or-unavailable.ts', test: 'unit/or-unavailable.test.ts' };
const lists = { file: 'lib/smart-query/list-executed-obs-units.ts', test: 'integration/lists.test.ts' };
const statement = { file: 'lib/smart-query/list-statement.ts', test: 'integration/lists.test.ts' };
const snapshot = { file: 'lib/smart-query/snapshot.ts', test: 'integration/lists.test.ts' };
const health = { file: 'functions/health/health.ts', test: 'unit/health.test.ts' };
const waiting = { file: 'lib/smart-query/waiting.ts', test: 'integration/lists.test.ts' };

export const readMutations: readonly Mutation[] = [
  {
    ...merge,
    id: 'merge-counts-a-start-without-effect',
    replace: 'return { steps, starts: startedBy({ ...named, steps }) };',
    by: 'return { steps, starts: startedBy({ steps, ...named }) };',
    named: 'a discarded one',
  },
  {
    ...merge,
    file: 'lib/table/overlaid-rows.ts',
    id: 'merge-older-writer-wins',
    replace: '([key]) => stamp > Math.max(stampOf(before, `${field}.${key}`), stampOf(before, field)),',
    by: '() => true,',
    named: 'newest writer',
  },
  {
    ...merge,
    id: 'merge-without-order',
    replace: 'inOrder(contributionsOf(overlay, snapshot.inbox))',
    by: 'contributionsOf(overlay, snapshot.inbox)',
    named: 'two finishes',
  },
  {
    ...merge,
    id: 'merge-start-not-first',
    replace: 'return { steps, starts: startedBy({ ...named, steps }) };',
    by: 'return { steps, starts: [] };',
    named: 'applies a start before its finish, even',
  },
  {
    ...merge,
    file: 'lib/table/overlaid-rows.ts',
    id: 'merge-unmade-record-verified',
    replace: 'if (!made) this.#notCreated.add(`${step.table} ${step.id}`);',
    by: '',
    named: 'marks a finish as unverified when its',
  },
  {
    ...replicas,
    id: 'replica-defect-taken-for-absence',
    replace: "if (failure === 'defect' && !(await lacksRelease(replica, error))) throw error;",
    by: '',
    named: 'rethrows a defect without trying',
  },
  {
    ...replicas,
    id: 'replica-without-the-release-taken-for-a-defect',
    replace: "failure === 'defect' && !(await lacksRelease(replica, error))",
    by: "failure === 'defect'",
    named: 'lacks the tables of this release',
  },
  {
    ...replicas,
    id: 'replica-defect-taken-for-a-missing-release',
    replace: 'return rows[0]?.lacks ?? false;',
    by: 'return true;',
    named: 'lacks the tables of this release',
  },
  {
    ...replicas,
    id: 'replica-below-the-floor-answers',
    replace: 'if (position === undefined || position < floor) {',
    by: 'if (position === undefined) {',
    named: 'floor',
  },
  {
    ...preference,
    id: 'replica-that-hangs-asked-by-everybody',
    replace: 'if (memory.hangsUntil > now) return false;',
    by: '',
    named: 'hangs',
  },
  {
    ...preference,
    id: 'replica-that-stands-still-preferred',
    replace: 'Number(positionOf(each) < last.required)',
    by: 'Number(positionOf(each) < 0n)',
    named: 'prefers the most advanced replica when',
  },
  {
    ...orUnavailable,
    id: 'slow-statement-not-reported',
    replace: 'error instanceof StatementTooSlow',
    by: 'false',
    named: 'a statement that exceeds its time limit',
  },
  {
    ...lists,
    file: 'lib/smart-query/renew-records.ts',
    id: 'lists-overlay-of-moved-rows-not-looked-up',
    replace: 'overlay.isComplete || first === undefined',
    by: 'true || first === undefined',
    named: 'moved',
  },
  {
    ...lists,
    file: 'lib/smart-query/units-slice.ts',
    id: 'lists-end-where-a-source-was-cut',
    replace: '[...cuts.map(keyOfRow), ...(completeFrom',
    by: '[...(completeFrom',
    named: 'continue behind any number of rows',
  },
  {
    ...lists,
    file: 'lib/smart-query/units-slice.ts',
    id: 'lists-unknown-planned-unit-not-told',
    replace: "unseen.add('planned-unit')",
    by: 'unseen.size',
    named: 'filter by program, source and instrument',
  },
  {
    ...statement,
    id: 'lists-moved-rows-found-by-their-old-place',
    replace: '...(status ? [moved] : [])',
    by: '...[]',
    named: 'moved',
  },
  {
    ...snapshot,
    id: 'lists-parked-not-found-by-aggregate',
    replace: 'and i.aggregate_id = any (array(${allIds}))',
    by: 'and i.aggregate_id = any (array(${whole ? ids(whole.name) : ids()}))',
    named: 'show and filter set-aside records by',
  },
  {
    ...snapshot,
    id: 'lists-planned-unit-of-a-named-row-not-judged',
    replace: 'union all select obs_unit_id from named ',
    by: '',
    named: 'filter buffered and parked records by program',
  },
  {
    ...snapshot,
    id: 'lists-planned-unit-of-a-parked-start-not-judged',
    replace: 'union all select obs_unit_id from inbox_rows',
    by: '',
    named: 'filter buffered and parked records by program',
  },
  {
    ...health,
    id: 'health-without-progress-is-healthy',
    replace: 'if (hasNoProgress) return true;',
    by: '',
    named: 'no transaction reaches main',
  },
  {
    ...health,
    id: 'health-waits-for-stores',
    replace: 'Promise.race([read.catch(() => undefined), tooLate])',
    by: 'read.catch(() => undefined)',
    named: 'within a second',
  },
  {
    ...waiting,
    file: 'lib/smart-query/lua/enter_wait.lua',
    id: 'waits-of-one-principal-not-bounded',
    replace: "or redis.call('ZCARD', own) >= of_own",
    by: '',
    named: 'are limited per principal and in total',
  },
  {
    ...waiting,
    file: 'lib/smart-query/lua/enter_wait.lua',
    id: 'waits-outlive-their-request',
    replace: "redis.call('ZREMRANGEBYSCORE', own, '-inf', now)",
    by: '',
    named: 'lose their places when their function',
  },
  {
    ...snapshot,
    id: 'page-collects-rows-as-jsonb',
    replace: '(select json_agg(m) from ${whole.name} m)',
    by: '(select jsonb_agg(to_jsonb(m)) from ${whole.name} m)',
    named: 'collects rows as json',
  },
  {
    ...lists,
    id: 'page-of-any-size',
    replace: 'if (last && bytes > maxPageBytes)',
    by: 'if (last && bytes > Infinity)',
    named: 'ends before it exceeds the size of an',
  },
  {
    ...lists,
    file: 'lib/smart-query/units-slice.ts',
    id: 'list-orders-what-is-not-a-time',
    replace: ' || databaseInstant(start_time) === undefined',
    by: '',
    named: 'a list skips a buffered record whose',
  },
];
