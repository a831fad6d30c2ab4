/** Mutations of the state counters: their triggers and their folding. */
import type { Mutation } from '../mutation.ts';

const migration = 'lib/postgres/migrations/0010_state_counts.sql';
const file = 'lib/postgres/state-counts.ts';
const test = 'integration/state-counts.test.ts';
const anyHistory = 'state counters equal the rows at every';

export const stateCountMutations: readonly Mutation[] = [
  {
    id: 'counts-note-unmoved-states',
    file: migration,
    replace: ' having sum(n) <> 0',
    by: '',
    test,
    named: 'record nothing for an update that',
  },
  {
    id: 'counts-need-rights-of-other-programs',
    file: migration,
    replace: 'security definer ',
    by: '',
    test,
    named: 'need no privileges of a role that',
  },
  {
    id: 'counts-survive-truncate',
    file,
    replace: ' and c.id >= base.since',
    by: '',
    test,
    named: 'restart with TRUNCATE, also among other',
  },
  {
    id: 'counts-base-without-changes-in-sight',
    file,
    replace: "union all select state, -sum(n) from state_count where table_name = '${table}' group by state",
    by: '',
    test,
    named: 'get a correct base under open transactions',
  },
  {
    id: 'counts-two-bases-at-once',
    file,
    replace: 'on conflict do nothing',
    by: '',
    test,
    named: 'get one base from two concurrent',
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
    named: 'gives up when a table stays locked',
  },
];
