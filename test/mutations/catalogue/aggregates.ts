/** Transactions of several aggregates, and transactions that wait for others. */
import type { Mutation } from '../mutation.ts';

const integration = { test: 'integration/aggregates.test.ts' };
const main = (name: string, named: string) => ({
  ...integration,
  named,
  file: `lib/postgres/functions/${name}.sql`,
});
const lua = (name: string, named: string) => ({ ...integration, named, file: `lib/buffer/lua/${name}.lua` });
const unit = (named: string) => ({
  ...{ file: 'lib/transaction/aggregates.ts', test: 'unit/aggregates.test.ts', named },
});
const model = { test: 'integration/steps.model.test.ts', named: 'merge produces' };

export const aggregateMutations: readonly Mutation[] = [
  {
    ...main('aggregates_of', 'keeps later transactions of each aggregate'),
    id: 'aggregates-sql-only-the-first',
    replace: "(tx -> 'aggregates') || (tx -> 'aggregate')",
    by: "jsonb_build_array(tx -> 'aggregate')",
  },
  {
    ...main('aggregates_of', 'applies a transaction of several aggregates'),
    id: 'aggregates-sql-without-the-first',
    replace: "else array[(tx ->> 'aggregate')::uuid]",
    by: "else '{}'::uuid[]",
  },
  {
    ...main('aggregates_started', 'applies a waiting transaction'),
    id: 'aggregates-sql-every-step-starts',
    replace: "step ->> 'kind' = 'create' and (step",
    by: '(step',
    equivalent: 'a lone change is ordered as a start is; what it needs precedes it by its stamp, or it waits',
  },
  {
    ...main('aggregates_started', 'applies a bulk creation'),
    id: 'aggregates-sql-a-bulk-starts-nothing',
    replace: "step ->> 'kind' = 'bulk_create' and",
    by: 'false and',
  },
  {
    ...{ ...model, file: 'lib/postgres/functions/in_order.sql' },
    id: 'aggregates-sql-one-round-of-starts',
    replace: 'select aggregate, min(place) as place from members join first_places using (n) where is_start',
    by: 'select aggregate, min(array[members.stamp, 0]) as place from members where is_start',
  },
  {
    ...{ ...model, file: 'lib/postgres/functions/in_order.sql' },
    id: 'aggregates-sql-ties-with-its-start',
    replace: "order by place, stamp, t ->> 'id'",
    by: "order by place[1], stamp, t ->> 'id'",
  },
  {
    ...main('involved_aggregates', 'applies a waiting transaction'),
    id: 'aggregates-sql-parked-involve-nothing',
    replace: 'i.aggregates && known',
    by: 'false',
  },
  {
    ...main('involved_aggregates', 'from the first aggregate of a chain'),
    id: 'aggregates-sql-involved-in-one-round',
    replace: 'most_rounds constant integer := 5',
    by: 'most_rounds constant integer := 1',
  },
  {
    ...main('holds_others', 'keeps later changes of one row'),
    id: 'aggregates-sql-several-hold-none',
    replace: 'cardinality(aggregates_of(tx)) > 1 or ',
    by: '',
  },
  {
    ...main('holds_others', 'and later ones behind it'),
    id: 'aggregates-sql-waits-for-holds-none',
    replace: "or coalesce(not tx -> 'record_ids' ? split_part(missing, ':', 2), true)",
    by: '',
  },
  {
    ...main('transactions_of', 'however many aggregates the creation had'),
    id: 'aggregates-sql-history-of-only-the-first',
    replace: 'i.aggregates && ids',
    by: 'false',
  },
  {
    ...main('transactions_of', 'however many aggregates the creation had'),
    id: 'aggregates-sql-history-of-only-the-others',
    replace: 'i.aggregate_id = any (ids)',
    by: 'false',
  },
  {
    ...{
      file: 'lib/postgres/functions/waiting_for.sql',
      test: 'integration/functions.test.ts',
      named: 'waiting_for',
    },
    id: 'waiting-sql-omits-waits-for',
    replace: "'waits_for', reference, ",
    by: '',
  },
  {
    ...{
      file: 'lib/postgres/functions/waiting_for.sql',
      test: 'integration/functions.test.ts',
      named: 'waiting_for',
    },
    id: 'waiting-sql-names-only-the-table',
    replace: "coalesce(referenced_tables() ->> split_part(reference, ':', 1), split_part(reference, ':', 1))",
    by: "split_part(reference, ':', 1)",
  },
  {
    ...main('judge', 'lets a transaction wait'),
    id: 'waiting-sql-ignores-waits-for',
    replace: 'if needed is not null and',
    by: 'if false and',
  },
  {
    ...main('work_of', 'lets a transaction wait'),
    id: 'waiting-sql-forgets-waits-for',
    replace: "'waits_for', case when parked_for <> 'failed' and waits_for <> 'retry' then waits_for end,",
    by: '',
  },
  {
    ...lua('include/aggregates', 'shows a transaction in the overlay of each'),
    id: 'aggregates-lua-no-pointers',
    replace: "redis.call('HSET', aggregates[i].overlay, 'p:' .. id, aggregates[1].name)",
    by: 'local _ = id',
  },
  {
    ...lua('include/aggregates', 'finds the aggregate of a row'),
    id: 'aggregates-lua-rows-are-not-indexed',
    replace: "redis.call('ZADD', by_record, 0, member)",
    by: 'local _ = member',
  },
  {
    ...lua('include/aggregates', 'until every replica has the row'),
    id: 'aggregates-lua-rows-stay-indexed',
    replace: "redis.call('ZREM', by_record, member)",
    by: 'local _ = member',
  },
  {
    ...lua('include/shown', 'names its table in the feed'),
    id: 'aggregates-lua-other-tables-are-listed',
    replace: 'if not of then index_overlay',
    by: 'if true then index_overlay',
  },
  {
    ...lua('include/shown', 'names its table in the feed'),
    id: 'aggregates-lua-feed-names-only-the-first',
    replace: '    feed_append(feed, wakes, unpack(entry))',
    by: '    if i == 1 then feed_append(feed, wakes, unpack(entry)) end',
  },
  {
    ...lua('accept', 'gives a transaction a stamp after'),
    id: 'aggregates-lua-stamp-after-only-the-first',
    replace: 'highest = math.max(highest, each.known.stamp)',
    by: 'highest = math.max(highest, aggregates[1].known.stamp)',
  },
  {
    ...lua('clean', 'restores and cleans every aggregate'),
    id: 'aggregates-lua-pointers-are-left',
    replace: ", 'p:' .. a.id) end",
    by: ') end',
  },
  {
    ...lua('quarantine', 'from all of its aggregates'),
    id: 'aggregates-lua-quarantine-leaves-pointers',
    replace: "'s:' .. id, 'p:' .. id) end",
    by: "'s:' .. id) end",
  },
  {
    ...lua('mark', 'until the wait ends'),
    id: 'waiting-lua-keeps-waits-for',
    replace: "else redis.call('HDEL', tx, 'waits_for') end",
    by: 'end',
  },
  {
    ...integration,
    named: 'shows a transaction in the overlay of each',
    file: 'lib/buffer/overlay.ts',
    id: 'aggregates-ts-pointers-are-not-followed',
    replace: 'if (asked.length === 0) break;',
    by: 'break;',
  },
  {
    ...integration,
    named: 'is read with each of its aggregates once main alone',
    file: 'lib/smart-query/snapshot.ts',
    id: 'aggregates-ts-parked-are-read-by-the-first-alone',
    replace: 'and i.aggregates && array(${allIds})',
    by: 'and false',
  },
  {
    ...{ test: 'unit/feed.test.ts', named: 'the feed names each row', file: 'lib/table/tables.ts' },
    id: 'feed-names-rows-of-every-table',
    replace: "return aggregate === 'self' && feed === 'observations';",
    by: "return feed === 'observations' || aggregate === 'self';",
  },
  {
    ...unit('are linked'),
    id: 'aggregates-ts-not-linked',
    replace: 'if (leader !== led) leaders.set(led, leader);',
    by: '',
  },
  {
    ...unit('puts a start before'),
    id: 'aggregates-ts-ties-with-its-start',
    replace: 'return a[0] - b[0] || a[1] - b[1];',
    by: 'return a[0] - b[0];',
  },
  {
    ...unit('after a start that itself needs a start'),
    id: 'aggregates-ts-one-round-of-starts',
    replace: 'const rounds = 2;',
    by: 'const rounds = 1;',
  },
  {
    ...unit('take each row into its own'),
    id: 'aggregates-ts-rows-ignore-their-parent',
    replace: 'all.find((each) => each === parent) ?? named.aggregate',
    by: 'named.aggregate',
  },
];
