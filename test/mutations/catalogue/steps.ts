/** Removes the rules of steps from one interpreter at a time; the differential test must find each. */
import type { Mutation } from '../mutation.ts';

const merge = { test: 'integration/steps.model.test.ts', named: 'merge produces the rows that main' };
const redis = { test: 'integration/steps.model.test.ts', named: 'the judge in Redis agrees with main' };
const judge = { ...redis, file: 'lib/buffer/lua/include/judge.lua' };
const lay = { ...merge, file: 'lib/table/overlaid-rows.ts' };
const main = (name: string) => ({ ...merge, file: `lib/postgres/functions/${name}.sql` });

export const stepMutations: readonly Mutation[] = [
  {
    ...redis,
    file: 'lib/buffer/lua/accept.lua',
    id: 'steps-lua-a-later-request-gets-an-earlier-stamp',
    replace: 'math.max(a.stamp, highest + 1)',
    by: 'a.stamp',
  },
  {
    ...judge,
    id: 'steps-lua-without-only-if',
    replace: 'if known and not is_allowed then return column end',
    by: '',
  },
  {
    ...judge,
    id: 'steps-lua-a-put-is-not-noted',
    replace: "if step.is_tracked or step.kind ~= 'update' or row.patch then",
    by: "if step.is_tracked or step.kind == 'create' or step.kind == 'delete' then",
  },
  {
    ...redis,
    file: 'lib/buffer/lua/include/record.lua',
    id: 'steps-lua-a-deleted-row-stays-known',
    replace: "elseif step.kind == 'delete' then redis.call('HDEL', record, 'row:' .. step.row)",
    by: "elseif step.kind == 'delete' then local _ = row",
  },
  {
    ...redis,
    file: 'lib/buffer/lua/include/record.lua',
    id: 'steps-lua-a-deleted-unit-stays-known',
    replace: '    forget_own_creation(record)\n    forget_own_change(record)\n',
    by: '',
  },
  {
    ...judge,
    id: 'steps-lua-a-row-that-the-transaction-has-deleted-stays-known',
    replace: "if step.kind == 'delete' then return {values = {}} end",
    by: "if step.kind == 'delete' then return row end",
    equivalent:
      'write_row forgets a deleted row by the kind of the step; only a later step of the same transaction on that row would see the difference, and no operation makes one',
  },
  {
    ...judge,
    id: 'steps-lua-a-change-before-its-start-is-refused',
    replace: 'if not was_saved[step.row] then',
    by: "if not row.base then return judged('refused') end\n      if not was_saved[step.row] then",
  },
  {
    ...judge,
    id: 'steps-lua-one-equal-field-makes-a-repeat',
    replace: 'if not is_same then return false end',
    by: '',
  },
  {
    ...main('changed_values'),
    id: 'steps-sql-the-last-call-wins',
    replace: 'elsif stamp > group_stamp(tbl, field, stamps) then',
    by: 'elsif true then',
  },
  {
    ...main('unmet_condition'),
    id: 'steps-sql-without-only-if',
    replace: "if step ? 'only_if' and not present @> (step -> 'only_if') then",
    by: 'if false then',
  },
  {
    ...main('unmet_condition'),
    id: 'steps-sql-any-state-follows',
    replace: "or coalesce(following -> (present ->> field), '[]') ? (step -> 'values' ->> field);",
    by: 'or true;',
  },
  {
    ...main('perform_steps'),
    id: 'steps-sql-a-put-changes-nothing',
    replace: "elsif coalesce((present ->> 'stamp')::bigint, 0) <= put_stamp then",
    by: 'elsif false then',
  },
  {
    ...main('perform_steps'),
    id: 'steps-sql-a-deleted-row-comes-back',
    replace: 'insert into tombstone values (tbl, row_id, stamp) on conflict do nothing;',
    by: '',
  },
  {
    ...main('aggregates_started'),
    id: 'steps-sql-start-not-first',
    replace: "step ->> 'kind' = 'create' and (step",
    by: "step ->> 'kind' = 'put' and (step",
  },
  {
    ...main('group_of'),
    id: 'steps-sql-fields-of-a-group-part',
    replace:
      "(select members from jsonb_array_elements(tables() -> tbl -> 'groups') members where members ? field),",
    by: 'null,',
  },
  {
    ...lay,
    id: 'steps-ts-the-last-call-wins',
    replace: '} else if (stamp > groupStamp(table, field, before)) {',
    by: '} else {',
  },
  {
    ...lay,
    id: 'steps-ts-without-only-if',
    replace: '(present[column] !== undefined && present[column] !== value) ||',
    by: '',
  },
  {
    ...lay,
    id: 'steps-ts-any-state-follows',
    replace: 'isTransition(table, column, present[column], values[column]),',
    by: 'isTransition(table, column, 0, 0),',
  },
  {
    ...lay,
    id: 'steps-ts-a-put-changes-nothing',
    replace: 'else if (Number(present.stamp ?? 0) <= putStamp) {',
    by: 'else if (putStamp < 0) {',
  },
  {
    ...lay,
    id: 'steps-ts-a-deleted-row-stays',
    replace: 'this.#of(step.table).delete(step.id);',
    by: '',
  },
  {
    ...merge,
    file: 'lib/transaction/aggregates.ts',
    id: 'steps-ts-start-not-first',
    replace: "const isCreation = ({ kind }: Step) => kind === 'create' ||",
    by: 'const isCreation = ({ kind }: Step) =>',
  },
  {
    ...merge,
    file: 'lib/table/tables.ts',
    id: 'steps-ts-fields-of-a-group-part',
    replace: 'tables[table].groups?.find((group) => group.includes(column)) ?? [column]',
    by: '[column]',
  },
  {
    ...lay,
    id: 'steps-ts-half-a-transaction-has-an-effect',
    replace: 'if (this.#hasEffect(steps, stamp)) for (const step of steps) this.#apply(step, stamp);',
    by: 'for (const step of steps) if (this.#hasEffect([step], stamp)) this.#apply(step, stamp);',
  },
];
