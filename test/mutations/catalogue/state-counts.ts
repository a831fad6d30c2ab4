/** Rows by state, as the migration notes them and the counters add them up. */
import type { Mutation } from '../mutation.ts';

const migration = 'lib/postgres/migrations/0010_state_counts.sql';
const file = 'lib/postgres/state-counts.ts';
const test = 'integration/state-counts.test.ts';
const anyHistory = 'the counters agree with the rows at every point of any history of several connections';

export const stateCountMutations: readonly Mutation[] = [
  {
    id: 'counts-note-unmoved-states',
    file: migration,
    replace: ' having sum(n) <> 0',
    by: '',
    test,
    named: 'note nothing for an update that leaves the state as it is',
  },
  {
    id: 'counts-need-rights-of-other-programs',
    file: migration,
    replace: 'security definer ',
    by: '',
    test,
    named: 'are not needed by other programs: a role that may change the table needs no right on them',
  },
  {
    id: 'counts-survive-truncate',
    file,
    replace: ' and c.id >= base.since',
    by: '',
    test,
    named: 'start again with TRUNCATE, among other changes of the same transaction',
  },
  {
    id: 'counts-base-without-changes-in-sight',
    file,
    replace: "union all select state, -sum(n) from state_count where table_name = '${table}' group by state",
    by: '',
    test,
    named: 'begin with a base that is the same whatever is open or being written meanwhile',
  },
  {
    id: 'counts-two-bases-at-once',
    file,
    replace: 'on conflict do nothing',
    by: '',
    test,
    named: 'get one base from two that begin at once',
  },
  {
    id: 'counts-fold-beyond-a-base',
    file,
    replace: 'max(id), sum(n)',
    by: 'max(id) + 1000000, sum(n)',
    test,
    named: anyHistory,
  },
  {
    id: 'counts-fold-what-a-base-has-replaced',
    file,
    replace: 'where id > since or since is null',
    by: '',
    test,
    named: anyHistory,
  },
  {
    id: 'counts-wait-for-a-lock',
    file,
    replace: 'set local lock_timeout = 500;',
    by: '',
    test,
    named: 'gives up soon if somebody keeps a table locked, and readers go on counting',
  },
];
